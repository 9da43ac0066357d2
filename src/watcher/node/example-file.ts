/** `watch.toml` with every key explained. What is commented out has the value that holds without it. */
export const exampleWatchFile = `# What "quorate watch" publishes. It reads this file from its home folder (~/.quorate/watch.toml).
# Paths of files count from the folder of this one.

[repository]
# As workers fetch it: the charter of the project has to allow its server.
url = "https://git.example.org/tool.git"
# How often it is looked at. A webhook makes it look at once.
# poll = "60s"
# Git runs in a sandbox whose only way out leads to that server.
# sandbox = true
# Requests name the commit's subject and author, for pages and lists.
# subject = true

# Where statuses of commits are set, and where pull requests are listed. Leave it out for a plain git server.
# [forge]
# kind = "forgejo"                    # or gitea, github, gitlab, pagure
# api = "https://git.example.org"     # base URL of its API
# project = "owner/tool"
# token-file = "forge.token"          # one line, mode 0600
# webhook-secret-file = "webhook.secret"

# [status]
# context = "quorate"
# link = "https://ci.example.org/runs/{run}"
# checkpoint-age = "10m"              # green: revocations are known up to a log that the trusted worker signed so recently

# Webhooks, badges and the page of approvals are served here. Put a TLS proxy in front of it.
# [http]
# listen = "127.0.0.1:8470"
# names = ["ci.example.org"]          # by which clients may call it, besides its address
# sign-in = "sign-in.toml"            # who may use the page of approvals: docs/sign-in.md

# Pull requests wait until somebody approves their commit: quorate watch approvals. Leave the section out, and they are not
# looked at.
# [pull-requests]
# authors = ["alice"]                 # theirs need no approval
# label = "quorate"                   # a label "quorate:<whole commit id>" approves that commit; not with gitlab and pagure
# paths = ["src/**"]
# job = "test"

# The first rule that matches a branch or tag decides. Without a rule nothing is published.
[[rule]]
name = "main"
branches = ["main", "release/*"]      # * stands for anything but a slash, ** for anything
# tags = ["v*"]
# paths = ["src/**", "quorate.yaml"]  # one of them has to change
# job = "build"                       # this job and those it needs; all of them without it
# cancel-superseded = true            # a push ends the runs of earlier commits of the branch
# rebuild = false                     # build again what was built before

# A rule with times is not for pushes: it publishes the tips of its branches at these times (cron(5), in UTC).
# [[rule]]
# name = "nightly"
# branches = ["main"]
# cron = "0 3 * * *"
# rebuild = true
`;
