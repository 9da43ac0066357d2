"""Runs and prepares an instance of Debian's pagure. The environment variable PAGURE_CONFIG names its configuration.

serve                 the web application, on 127.0.0.1
users NAME...         makes these accounts, each with the password password-NAME, and prints a token of the API for each, as JSON
hook PROJECT URL      has webhooks of a project sent to this address, and prints the secret that signs them
"""

import datetime
import json
import sys
import warnings

warnings.filterwarnings("ignore")

import pagure.lib.login
import pagure.lib.model_base
import pagure.lib.query
from pagure.config import config

ACLS = [
    "create_project",
    "fork_project",
    "commit",
    "commit_flag",
    "pull_request_create",
    "pull_request_flag",
    "pull_request_update",
]


def serve():
    from pagure.flask_app import create_app
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", config["PORT"], create_app(), threaded=True)


def users(session, names):
    tokens = {}
    until = datetime.date.today() + datetime.timedelta(days=2)
    for name in names:
        email = name + "@example.org"
        pagure.lib.query.set_up_user(session, name, name, email, emails=[email])
        session.commit()
        user = pagure.lib.query.get_user(session, name)
        user.password = pagure.lib.login.generate_hashed_value("password-" + name)
        user.token = None
        session.add(user)
        pagure.lib.query.add_token_to_user(
            session, project=None, acls=ACLS, username=name, expiration_date=until
        )
        session.commit()
        tokens[name] = user.tokens[0].id
    print(json.dumps(tokens))


def hook(session, name, url):
    project = pagure.lib.query.get_authorized_project(session, name)
    settings = dict(project.settings)
    settings["Web-hooks"] = url
    project.settings = settings
    session.add(project)
    session.commit()
    print(json.dumps({"secret": project.hook_token}))


if __name__ == "__main__":
    verb, rest = sys.argv[1], sys.argv[2:]
    if verb == "serve":
        serve()
    else:
        session = pagure.lib.model_base.create_session(config["DB_URL"])
        {"users": lambda: users(session, rest), "hook": lambda: hook(session, *rest)}[verb]()
