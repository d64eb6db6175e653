"""Texts with secrets and without, for all tests of redaction."""

from __future__ import annotations

import re

#: Shape -> texts in which `«»` stand around the secret. The secrets are invented.
SECRETS: dict[str, list[str]] = {
    "private key": [
        "a «-----BEGIN RSA PRIVATE KEY-----\nMIIE\nAAA=\n-----END RSA PRIVATE KEY-----» b",
        "«-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk and no end»",
        "«-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQ\n-----END PGP PRIVATE KEY BLOCK-----»",
    ],
    "password in a URL": [
        "git clone https://bob:«hunter2»@example.net/x.git",
        "postgres://app:«p@ss:w0rd»@db:5432/prod",
        "redis://:«hunter2»@cache:6379/0",
    ],
    "token in a URL": ["git push https://«0123456789abcdef0123456789abcdef01234567»@example.net/x.git"],
    "signature in a URL": [
        "GET https://b.example.net/k?X-Amz-Expires=60&X-Amz-Signature=«0a1b2c3d4e5f»&x=1",
        "https://store.example.net/c?sv=2024&sig=«abc%2Bdef%3D»",
    ],
    "authorization": [
        "curl -H 'Authorization: Bearer «abc.def»' https://example.net",
        "Proxy-Authorization: Basic «Ym9iOmh1bnRlcjI=»",
        '{"Authorization": "token «abcdef»"}',
        "Authorization: Digest «username=bob, response=0123»\nnext line",
    ],
    "bearer": ["sent bearer «abcdefghijklmnop0123456789=» to the server"],
    "cookie": ["Set-Cookie: «session=abc; Path=/»\nok", "curl -H 'Cookie: «a=b»'"],
    "name = value": [
        "PASSWORD=«hunter2» make",
        "export AWS_SECRET_ACCESS_KEY=«wJalrXUtnFEMI/K7MDENG»",
        "PGPASSWORD=«x» psql",
        "password = «hunter2»",
        'db_password="«two words»" next',
        "client_secret='«a b»' next",
        "https://example.net/?access_token=«abc»&page=2",
        "Server=db;Uid=bob;Pwd=«hunter2»;Port=1",
        "AccountKey=«abc==»;EndpointSuffix=core",
        "connect(user='bob', password='«hunter2»')",
        "'api_key' => '«abc»'",
        'apiKey := "«abc»"',
        "//registry.example.net/:_authToken=«abc»",
        "//registry.example.net/:_auth=«abc»",
        "DB_PASS=«hunter2» TOKEN_2=«abc»",
        "PASSWORD=«no-one-knows» TOKEN=«None.such»",
        "PASSWORD=«abc(def» TOKEN=«f(x»)",
        "SECRET_KEY_BASE=«abc»",
    ],
    "name: 'value'": [
        '{"password": "«hunter2»", "user": "bob"}',
        r'{"password": "«a\"b»", "user": "bob"}',
        r'"{\"token\": \"«abc»\", \"n\": 1}"',
        "{'client_secret': '«abc»'}",
    ],
    "password: value": ["password: «hunter»", "  db_password: «hunter2»\nuser: bob", "Passphrase:«x»"],
    "name: random value": ["api_key: «abcd1234»", "token: «0a1b2c3d4e»", "X-Auth-Token: «abcdefg7»"],
    "option": ["mytool --password «hunter2» --verbose", "mytool --api-key  «abc» run"],
    "user of curl": ["curl -sS -u bob:«hunter2» https://example.net", "curl --user 'bob:«two words»'"],
    "docker login": ['{"auths": {"r.example.net": {"auth": "«Ym9iOmh1bnRlcjI=»"}}}'],
    "aws": ["key «AKIAIOSFODNN7EXAMPLE» used"],
    "github": ["«ghp_abcdefghijklmnopqrst0123456789ABCDEF»", "«github_pat_11ABCDEFG0abcdefghij_klmn»"],
    "gitlab": ["«glpat-abcdefghij0123456789»", "runner «glrt-abcdefghij0123456789»"],
    "slack": ["«xoxb-123456789012-abcdefgh»", "https://hooks.slack.com/services/«T0000/B0000/XXXX»"],
    "discord": ["https://discord.com/api/webhooks/123456789/«abc-def_0123»"],
    "stripe": ["«sk_live_abcdefghijklmnop0123»"],
    "google": [
        "«AIzaabcdefghijklmnopqrstuvwxyz012345678»",
        "«ya29.abcdefghijklmnopqrstuvwxyz»",
        "«GOCSPX-abcdefghijklmnopqrstuvwxyz12»",
    ],
    "openai, anthropic": [
        "«sk-proj-abcdefghijklmnop0123456789abcdefgh»",
        "«sk-ant-api03-abcdefghijklmnop0123456789»",
    ],
    "package registry": [
        "«npm_abcdefghijklmnopqrstuvwxyz0123456789»",
        "«pypi-AgEIcHlwaS5vcmcCJGFiY2RlZmdoLTAxMjMtNDU2Nzg5YWJj»",
        "«rubygems_0123456789abcdef0123456789abcdef0123456789abcdef»",
    ],
    "docker hub": ["«dckr_pat_abcdefghijklmnopqrstuvwxyz0»"],
    "hugging face": ["«hf_abcdefghijklmnopqrstuvwxyzABCDEF»"],
    "sendgrid": ["«SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz0123456789abcdefg»"],
    "telegram": ["https://api.example.net/bot «123456789:AAabcdefghijklmnopqrstuvwxyz0123456»"],
    "vault": ["«hvs.abcdefghijklmnopqrstuvwxyz»"],
    "digitalocean": ["«dop_v1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef»"],
    "atlassian": ["«ATATT3xFfGF0abcdefghijklmnopqrstuvwxyz0123456789abcdefgh=01234567»"],
    "grafana": ["«glsa_abcdefghijklmnopqrstuvwxyz012345_01234567»"],
    "age": ["«AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ»"],
    "json web token": ["«eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-def_0123»"],
}

ORDINARY = """\
Enter password:
[sudo] password for bob:
sudo: 3 incorrect password attempts
SyntaxError: Unexpected token: identifier
error: expected token ';' before '}'
unexpected token: punc (})
max_tokens=4096 tokens: 1,234 tokens=17
tokenizer=bert secretary: Jane keyboard=de monkey=1
PASSWORD_FILE=/run/secrets/db TOKEN_URL=https://example.net/token
passwords: 3 changed
PWD=/home/bob OLDPWD=/tmp PATH=/usr/bin:/bin
password=none use_token=true secret: false token = null
PASS: test_login FAIL: test_logout pass=12
if password == other: token == expected
use --password to set one, or --token and --secret with a file
password: ${{ secrets.DB }}
https://example.net:8080/a@b?c=d:e@f http://[::1]:80/x@y
https://user@example.net/path ssh://git@example.net:22/x.git
2026-11-22T21:57:54 12:34:56 a:b@c.example.net
docker run -u 1000:1000 -p 80:80 image sha256:0123456789abcdef0123456789abcdef
commit 0123456789abcdef0123456789abcdef01234567
019aab3c-7d2e-7f3a-9f4b-1234567890ab
task-scheduler-with-a-long-name-and-2-digits disk-0123456789012345678901234567890123
-----BEGIN CERTIFICATE----- MIID -----END CERTIFICATE-----
-----BEGIN PUBLIC KEY----- MIIB -----END PUBLIC KEY-----
the bearer of this letter and the authorization: denied, basic training
cookies: 3 sign=1 sig: 11
pip install pypi-simple npm_config_cache=/tmp glibc-2.36 hf_hub eyJ
curl -sS https://example.net:443/x -o out.txt; date -u +%H:%M
def login(user: str, password: str = None, token: Optional[str] = None) -> None:
    token = self.get_token(user)
  548 |   const char *walker_password = layout_of(graph, 2);
    password = getpass.getpass("Password: ", stream)
    print("Token: " + repr(token))
_SECRET = (
usage: tool [--token TOKEN] [--api-key API_KEY] --password <password>
the option `--token`, then --secret "as it is"
Cookie: the reader of a cookie: its value
docker run -v /srv/cookie:/data cookie:latest
gcc -UNDEBUG -U_FORTIFY_SOURCE x86_64-unknown-linux-gnu see https://example.net/@babel/core
""".splitlines()

#: What patterns may begin to match, and texts around it.
PIECES = [
    *(
        "password",
        "password=",
        'password="',
        "password='",
        'password=\\"',
        "password:",
        "password: ",
        "--password ",
    ),
    *(
        "token",
        "token: ",
        "a.",
        "a-",
        "-",
        "--",
        "://",
        "://a:",
        "://:@",
        "a://b:",
        "?sig=",
        "\\",
        '\\"',
        '"',
        "'",
    ),
    *(
        "-----BEGIN ",
        "-----BEGIN A PRIVATE KEY-----",
        "PRIVATE KEY",
        "authorization: ",
        "authorization:bearer ",
    ),
    *(
        "bearer ",
        "cookie: ",
        "Cookie:",
        "curl ",
        "curl -u ",
        "-u a",
        "eyJ",
        "eyJaaaaaaaa.",
        "sk-",
        "sk-a",
        "SG.",
        "1",
    ),
    *(
        " ",
        "\n",
        "a",
        "A",
        "é",
        "gh",
        "ghp_",
        "glpat-",
        "xoxb-",
        "12345678:AA",
        "hooks.slack.com/services/",
        ":",
        "=",
    ),
]


def secrets_in(marked: str) -> list[str]:
    """What stands between the marks of a text."""
    return re.findall("«(.*?)»", marked, re.DOTALL)


def plain(marked: str) -> str:
    """A text without its marks."""
    return re.sub("[«»]", "", marked)


def masked(marked: str, mask: str) -> str:
    """A text with what is marked in it masked."""
    return re.sub("«.*?»", lambda _: mask, marked, flags=re.DOTALL)
