#include "program.h"

/*
 * Gives up every privilege, in an order in which each call still may (capabilities(7), credentials(7)): the bounding set needs
 * CAP_SETPCAP, the account CAP_SETUID and CAP_SETGID. Ambient capabilities go with the permitted ones (capset(2)).
 */
void drop_privileges(uint32_t uid) {
  /* PR_CAPBSET_READ 23, PR_CAPBSET_DROP 24: -EINVAL ends the list, which is not empty. */
  for (int capability = 0; capability < 64; capability++) {
    long has = sys(nr_prctl, 23, capability);
    if (has == -EINVAL && capability > 0) break;
    long dropped = has == 0 ? 0 : sys(nr_prctl, 24, capability);
    if (has < 0 || dropped < 0) fail("cannot give up", "a capability", has < 0 ? has : dropped);
  }
  /* In gVisor the first process has another account; elsewhere it may change none. */
  if ((uint32_t)sys(nr_getuid, 0) != uid) {
    long changed = sys(nr_setgroups, 0, 0);
    if (changed >= 0) changed = sys(nr_setresgid, uid, uid, uid);
    if (changed >= 0) changed = sys(nr_setresuid, uid, uid, uid);
    if (changed < 0) fail("cannot change", "the account", changed);
  }
  /* _LINUX_CAPABILITY_VERSION_3: effective, permitted, inheritable, twice. */
  uint32_t header[2] = {0x20080522, 0}, none[6] = {0};
  long result = sys(nr_capset, header, none);
  /* PR_SET_NO_NEW_PRIVS: no program gives one back. bwrap and runsc have set it already. */
  if (result >= 0) result = sys(nr_prctl, 38, 1, 0, 0, 0);
  if (result < 0) fail("cannot give up", "privileges", result);
}
