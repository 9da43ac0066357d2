import { join } from 'node:path';

/** Debian's own Python, for which its packages are. */
export const python = '/usr/bin/python3';
export const celery = '/usr/bin/celery';

/** Folders of an instance, below its own. */
export const folders = ['repositories', 'remotes', 'pseudo', 'attachments', 'releases', 'ssh'];

/** `pagure.cfg` of an instance of its own: SQLite, Redis at a socket of its folder, no mail, no git of its own over HTTP. */
export const configOf = (dir: string, port: number): string => `
PORT = ${port}
DB_URL = ${JSON.stringify(`sqlite:///${join(dir, 'db.sqlite')}`)}
BROKER_URL = ${JSON.stringify(`redis+socket://${join(dir, 'redis.sock')}`)}
SECRET_KEY = 'for a demo on loopback only'
SALT_EMAIL = 'for a demo on loopback only'
EMAIL_SEND = False
EMAIL_ERROR = 'root@localhost'
FROM_EMAIL = 'pagure@localhost'
DOMAIN_EMAIL_NOTIFICATIONS = 'localhost'
APP_URL = 'http://127.0.0.1:${port}/'
DOC_APP_URL = None
GIT_URL_SSH = None
GIT_URL_GIT = 'http://127.0.0.1:${port}/'
GIT_FOLDER = ${JSON.stringify(join(dir, 'repositories'))}
REMOTE_GIT_FOLDER = ${JSON.stringify(join(dir, 'remotes'))}
REPOSPANNER_PSEUDO_FOLDER = ${JSON.stringify(join(dir, 'pseudo'))}
ATTACHMENTS_FOLDER = ${JSON.stringify(join(dir, 'attachments'))}
UPLOAD_FOLDER_PATH = ${JSON.stringify(join(dir, 'releases'))}
UPLOAD_FOLDER_URL = '/releases/'
DOCS_FOLDER = GIT_FOLDER + '/docs'
TICKETS_FOLDER = GIT_FOLDER + '/tickets'
REQUESTS_FOLDER = GIT_FOLDER + '/requests'
SSH_FOLDER = ${JSON.stringify(join(dir, 'ssh'))}
GIT_AUTH_BACKEND = 'pagure'
HTTP_REPO_ACCESS_GITOLITE = None
ALLOW_HTTP_PULL_PUSH = False
ENABLE_TICKETS = False
ENABLE_DOCS = False
WEBHOOK = True
PAGURE_AUTH = 'local'
SESSION_COOKIE_SECURE = False
EVENTSOURCE_SOURCE = None
FEDMSG_NOTIFICATIONS = False
`;
