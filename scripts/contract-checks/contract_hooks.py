"""What schemathesis needs to know beyond the OpenAPI document: who calls, and what depends on more than a schema can say.

CONTRACT_CALLER is nobody, user, device or administrator. What ends the caller's own session or account is called by a new
one each time, so that the requests after it are still those of somebody who is signed in.
"""

import datetime
import functools
import os
import re
import string
import uuid

import requests
import schemathesis
from hypothesis import strategies as st

URL = os.environ["CONTRACT_URL"]
CALLER = os.environ["CONTRACT_CALLER"]
PASSWORD = "correct horse"
ID = re.compile("[0-9A-Za-z]{26}|[0-9A-Fa-f-]{36}")

# --- formats: rules in words that no pattern says ----------------------------------------------------------------------------

PRINTABLE = st.characters(min_codepoint=0x21, max_codepoint=0x2FFF, exclude_categories=("C", "Z"))
TEXT = st.text(PRINTABLE, min_size=1, max_size=60)
NOW = datetime.datetime.now(datetime.timezone.utc)
# Younger than INGEST_MAX_AGE_DAYS, and not ahead of the clock.
INSTANTS = st.integers(60, 300 * 86_400).map(lambda age_s: (NOW - datetime.timedelta(seconds=age_s)).isoformat().replace("+00:00", "Z"))

OLDEST, LATEST = "2020", (NOW - datetime.timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")

schemathesis.openapi.format("line", TEXT)
schemathesis.openapi.format("paragraph", st.lists(TEXT, min_size=1, max_size=3).map("\n".join))
schemathesis.openapi.format("username", st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=40))
schemathesis.openapi.format("password", st.text(string.ascii_letters + string.digits + " -_.", min_size=8, max_size=40))
schemathesis.openapi.format("currency", st.sampled_from(["EUR", "USD", "BRL", "JPY", "KWD"]))
schemathesis.openapi.format("time-zone", st.sampled_from(["UTC", "America/Sao_Paulo", "Asia/Kathmandu"]))
schemathesis.openapi.format("metrics", st.sampled_from(["temperature"]))
schemathesis.openapi.format("date-time", INSTANTS)
# Opaque: only the list itself can make one, and the blank one is the first page's.
schemathesis.openapi.format("cursor", st.just(""))
# --- who calls ---------------------------------------------------------------------------------------------------------------

# Operations after which the caller's token is worth nothing.
ENDING = {("POST", "/api/v1/auth/logout"), ("DELETE", "/api/v1/users/me"), ("PATCH", "/api/v1/users/me")}


def request(method, path, body, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    response = requests.request(method, f"{URL}{path}", json=body, headers=headers, timeout=30)
    response.raise_for_status()
    return response.json()


def post(path, body, token=None):
    return request("POST", path, body, token)


def sign_in(username, password):
    return post("/auth/login", {"username": username, "password": password})["access_token"]


def register():
    name = uuid.uuid4().hex
    made = post("/auth/register", {"username": name, "email": f"{name}@example.com", "password": PASSWORD})
    return made["id"], name


def user():
    return sign_in(register()[1], PASSWORD)


def device():
    made = post("/devices", {"name": "device"}, user())
    return post("/auth/device", made["credential"])["access_token"]


def administrator():
    root = sign_in(os.environ["ADMIN_USERNAME"], os.environ["ADMIN_PASSWORD"])
    account, name = register()
    request("PATCH", f"/users/{account}", {"is_admin": True}, root)
    return sign_in(name, PASSWORD)


NEW_TOKEN = {"nobody": lambda: None, "user": user, "device": device, "administrator": administrator}[CALLER]
token_of_this_run = functools.cache(NEW_TOKEN)


@functools.cache
def own_device():
    """A device that the caller may send for, and name."""
    if CALLER in ("user", "administrator"):
        return post("/devices", {"name": "own"}, token_of_this_run())["id"]
    return None


if CALLER != "nobody":

    @schemathesis.auth(refresh_interval=None)
    class Caller:
        def get(self, case, context):
            is_ending = (case.method.upper(), case.operation.path) in ENDING
            return NEW_TOKEN() if is_ending else token_of_this_run()

        def set(self, case, token, context):
            case.headers["Authorization"] = f"Bearer {token}"


# --- what depends on another field, on the caller, or on what is there already -------------------------------------------------


def is_named(body, names):
    return any(isinstance(body.get(name), str) and body[name].strip() for name in names)


def complete_ingest(body, path):
    """A person has to name the device, a reading needs a number, and a heartbeat with an unknown name a known one."""
    names = ("device_id", "device_uuid", "deviceId", "device_sn", "server_ulid")
    if "/devices/" not in path and own_device() and all(body.get(name) is None for name in names):
        body["device_id"] = own_device()
    is_reading = path.endswith(("/data", "/readings", "/telemetry"))
    if is_reading and all(body.get(name) is None for name in ("temperature", "humidity", "voltage", "current")):
        body["temperature"] = 20
    measured = ("cpu_usage", "ram_usage", "disk_free", "temperature", "latency", "connectivity", "boot_time")
    is_known = any(body.get(name) is not None for name in measured)
    if not is_reading and not is_known and set(body) - {*measured, *names, "timestamp"}:
        body["cpu_usage"] = 1
    for name in ("timestamp", "boot_time"):
        value = body.get(name)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number or isinstance(value, str) and not OLDEST < value < LATEST:
            body[name] = int(NOW.timestamp()) - 60 if is_number else LATEST


def complete_task(body):
    """A task is about a device of one's own, and its two forms of a status say the same."""
    if isinstance(body.get("device_id"), str) and ID.fullmatch(body["device_id"]):
        body["device_id"] = own_device()
    if isinstance(body.get("completed"), bool) and isinstance(body.get("status"), str):
        body["completed"] = body["status"] == "done"


def complete_account(body, path):
    """An account needs a name, one that nobody has; its owner shows the present password for what signs in."""
    if path.endswith("register"):
        if not is_named(body, ["username", "email"]):
            body["username"] = uuid.uuid4().hex
    elif path.endswith("users/me"):
        body["current_password"] = PASSWORD
    if path.endswith(("users/me", "users/{id}")):
        # The account that an administrator finds may have but one of them.
        for name in ("username", "email"):
            if name in body and not is_named(body, [name]):
                del body[name]


def complete_query(path, query):
    """A page begins at a cursor or at a number, a time range at its start, and both forms of a status say the same."""
    if path.endswith("/tasks"):
        if query.get("cursor"):
            query.pop("page", None)
            query.pop("page_size", None)
        if "status" in query:
            query.pop("completed", None)
    for start, end in (("start", "end"), ("start_time", "end_time")):
        if isinstance(query.get(start), str) and isinstance(query.get(end), str) and query[start] > query[end]:
            query[start], query[end] = query[end], query[start]


def complete_feed(body):
    """A SKU belongs to one product, and a price has no more decimals than its currency."""
    for item in body.get("products") or []:
        if isinstance(item, dict):
            item.update(sku=None, price=9.99, currency="EUR")


@schemathesis.hook
def before_call(context, case, kwargs):
    # What is meant to be refused stays as it is.
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    path, body = case.operation.path, case.body
    if path.endswith("/devices/import"):
        # No schema describes a sheet.
        case.body = f"name,location,sn,description\r\nBoiler 3,Hall B,{uuid.uuid4().int % 10**12:012},\r\n"
    complete_query(path, case.query or {})
    if not isinstance(body, dict):
        return
    if path.endswith(("/heartbeats", "/readings", "/telemetry", "/data")):
        complete_ingest(body, path)
    elif "/tasks" in path:
        complete_task(body)
    elif path.endswith(("register", "users/me", "users/{id}")):
        complete_account(body, path)
    elif path.endswith("/products/import"):
        complete_feed(body)
