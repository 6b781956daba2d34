"""The demonstration: a client, and nothing but a client, of a running Relook.

It talks HTTP through boto3 as any user's program would, and starts the server as a process of its own. Nothing of the
server is imported here (import-linter holds that), so what the demonstration shows is what every client gets.

- `pictures`  what a set of pictures is; `layouts`, `manifests`: reading the user's; `render`, `scene`: drawing our own
- `plan`      which pictures train, which test, which stay unseen, by the minimums of the API
- `prepare`   making an image file acceptable; `masks`: masks in the colours the API wants
- `server`    a server as a child process; `client`: the API calls; `flow`: their order
- `progress`  bars and lines; `report`, `page`: the table and the HTML page at the end

Everything that can go wrong for a user is a `DemoError`:

    DemoError
    ├── PicturesError    the folder or manifest cannot be used; says what is missing
    ├── ServerError      the server did not start or did not end as it should
    └── ServiceError     a call, a dataset, a training or a hosting failed
"""

from __future__ import annotations
