"""Sends changes to a Buildbot master on 127.0.0.1 as `buildbot sendchange` does, over one connection that stays open.
Environment: PB_PORT, REPOSITORY, PASSWORD.

Reads commits from standard input, one a line. Standard output has a JSON line when it is connected and when the master
has taken a change. Ends with its input.
"""

import json
import os
import sys

from twisted.cred import credentials
from twisted.internet import defer, reactor, stdio
from twisted.protocols.basic import LineReceiver
from twisted.spread import pb


def tell(event):
    sys.stdout.write(json.dumps({"event": event}) + "\n")
    sys.stdout.flush()


class Commits(LineReceiver):
    delimiter = b"\n"

    def __init__(self, master):
        self.master = master

    @defer.inlineCallbacks
    def lineReceived(self, line):
        change = {
            "repository": os.environ["REPOSITORY"],
            "branch": "main",
            "revision": line.decode(),
            "who": "bench",
            "comments": "",
            "files": ["number"],
        }
        yield self.master.callRemote("addChange", change)
        tell("taken")

    def connectionLost(self, reason):
        if reactor.running:
            reactor.stop()


@defer.inlineCallbacks
def start():
    factory = pb.PBClientFactory()
    reactor.connectTCP("127.0.0.1", int(os.environ["PB_PORT"]), factory)
    login = credentials.UsernamePassword(b"change", os.environ["PASSWORD"].encode())
    stdio.StandardIO(Commits((yield factory.login(login))))
    tell("connected")


def give_up(failure):
    sys.stderr.write(failure.getTraceback())
    os._exit(1)


reactor.callWhenRunning(lambda: start().addErrback(give_up))
reactor.run()
