//! Who may do what: a row for each operation of the OpenAPI document, a cell for each caller.
//!
//! Rows are played in this order: what others need comes before what removes it.

/// Any 2xx.
pub const OK: u16 = 2;

/// What is answered to: nobody, another user, the owner, a device of the owner, another device, an administrator, and
/// whoever shows a token that is worth nothing (signed out, expired, of another kind, forged).
pub type Answers = [u16; 7];

macro_rules! answers {
    ($($name:ident $nobody:tt $other:tt $owner:tt $device:tt $other_device:tt $administrator:tt $worthless:tt;)+) => {
        $(const $name: Answers = [$nobody, $other, $owner, $device, $other_device, $administrator, $worthless];)+
    };
}

answers! {
//                nobody  other user  owner  device  other device  administrator  worthless
EVERYBODY             OK          OK     OK      OK            OK             OK         OK;
USERS                401          OK     OK     403           403             OK        401;
OWNER                401         404     OK     403           403            404        401;
OWNER_AND_DEVICE     401         404     OK      OK           404            404        401;
SENDERS              401         404     OK      OK           403            404        401;
BUYER                401         404     OK     403           403             OK        401;
ADMINISTRATORS       401         403    403     403           403             OK        401;
// Of something that is not there: whoever may not do it does not learn that.
ABSENT_TO_THEM       401         403    403     403           403            404        401;
}

/// One operation.
pub struct Row {
    /// Method and path, as in the document without `/api/v1`.
    pub operation: &'static str,
    /// A cell for each caller.
    pub answers: Answers,
    /// What is sent: a query (`?…`), a JSON body (`{…`) or a sheet. Words in angle brackets stand for the owner's things.
    pub sent: &'static str,
}

const fn row(operation: &'static str, answers: Answers, sent: &'static str) -> Row {
    Row { operation, answers, sent }
}

const HEARTBEAT: &str = r#"{"device_id": "<device>", "timestamp": "<instant>", "cpu_usage": 1}"#;
const READING: &str = r#"{"device_id": "<device>", "timestamp": "<instant>", "temperature": 1}"#;
const LOGIN: &str = r#"{"username": "<username>", "password": "<password>"}"#;
const ACCOUNT: &str = r#"{"username": "<fresh>", "email": "<fresh>@example.com", "password": "correct horse"}"#;
const PRODUCT: &str = r#"{"title": "<fresh>", "price_minor": 999, "currency": "EUR", "stock": 100}"#;
const FEED: &str = r#"{"products": [{"id": 1, "title": "Lamp", "price": 9.99, "stock": 5, "category": "lamps"}]}"#;

/// The table.
pub const ROWS: &[Row] = &[
    row("POST /heartbeats", SENDERS, HEARTBEAT),
    row("POST /readings", SENDERS, READING),
    row("POST /telemetry", SENDERS, HEARTBEAT),
    row("POST /data", SENDERS, READING),
    row("POST /devices/{id}/heartbeats", SENDERS, r#"{"timestamp": "<instant>"}"#),
    row("POST /devices/{id}/readings", SENDERS, r#"{"timestamp": "<instant>", "voltage": 1}"#),
    //
    row("GET /devices/{id}/heartbeats", OWNER_AND_DEVICE, ""),
    row("GET /devices/{id}/readings", OWNER_AND_DEVICE, "?aggregation=hour"),
    row("GET /devices/{id}/latest", OWNER_AND_DEVICE, ""),
    row("GET /devices/{id}/timeline", OWNER, ""),
    row("GET /data", OWNER, "?server_ulid=<server>"),
    row("GET /health/{id}", OWNER, ""),
    row("GET /health/all", USERS, ""),
    row("GET /fleet/summary", USERS, ""),
    //
    row("POST /auth/device", EVERYBODY, r#"{"device_id": "<device>", "secret": "<secret>"}"#),
    row("POST /devices", USERS, r#"{"name": "boiler"}"#),
    row("GET /devices", USERS, ""),
    row("GET /devices/{id}", OWNER, ""),
    row("PUT /devices/{id}", OWNER, r#"{"name": "another name"}"#),
    row("PATCH /devices/{id}", OWNER, r#"{"location": "elsewhere"}"#),
    row("GET /devices/{id}/credentials", OWNER, ""),
    row("DELETE /devices/{id}/credentials/{credential_id}", OWNER, ""),
    row("POST /devices/{id}/credentials", OWNER, r#"{"grace_s": 3600}"#),
    row("POST /devices/import", USERS, "name\nPump\n"),
    row("GET /devices/export", USERS, ""),
    row("POST /servers", USERS, r#"{"server_name": "another server"}"#),
    row("GET /servers", USERS, ""),
    row("GET /servers/{id}", OWNER, ""),
    //
    row("POST /tasks", USERS, r#"{"title": "sweep"}"#),
    row("GET /tasks", USERS, ""),
    row("GET /tasks/{id}", OWNER, ""),
    row("PUT /tasks/{id}", OWNER, r#"{"title": "another title"}"#),
    row("PATCH /tasks/{id}", OWNER, r#"{"status": "done"}"#),
    row("DELETE /tasks/{id}", OWNER, ""),
    //
    row("POST /cache/set", USERS, r#"{"key": "<fresh>", "value": 1}"#),
    row("GET /cache/get/{key}", OWNER, ""),
    row("DELETE /cache/{key}", OWNER, ""),
    //
    row("GET /products", EVERYBODY, ""),
    row("GET /data/products", EVERYBODY, ""),
    row("GET /products/best-sellers", EVERYBODY, ""),
    row("GET /products/categories", EVERYBODY, ""),
    row("GET /products/{id}", EVERYBODY, ""),
    row("POST /products", ADMINISTRATORS, PRODUCT),
    row("PUT /products/{id}", ADMINISTRATORS, PRODUCT),
    row("POST /products/import", ADMINISTRATORS, FEED),
    //
    row("PUT /cart/items/{id}", USERS, r#"{"quantity": 2}"#),
    row("DELETE /cart/items/{id}", USERS, ""),
    row("GET /cart", USERS, ""),
    row("POST /orders", USERS, "{}"),
    row("DELETE /cart", USERS, ""),
    row("GET /orders", USERS, ""),
    row("GET /orders/{id}", BUYER, ""),
    row("PATCH /orders/{id}", ADMINISTRATORS, r#"{"status": "paid"}"#),
    row("POST /orders/{id}/cancel", BUYER, ""),
    row("DELETE /products/{id}", ADMINISTRATORS, ""),
    //
    row("GET /admin/pipeline", ADMINISTRATORS, ""),
    row("GET /admin/audit", ADMINISTRATORS, ""),
    row("GET /admin/dead-letters", ADMINISTRATORS, ""),
    row("POST /admin/dead-letters/replay", ADMINISTRATORS, "{}"),
    row("DELETE /admin/dead-letters/{id}", ABSENT_TO_THEM, ""),
    row("GET /users", ADMINISTRATORS, ""),
    row("PATCH /users/{id}", ADMINISTRATORS, r#"{"full_name": "Ana Lima"}"#),
    //
    row("DELETE /servers/{id}", OWNER, ""),
    row("DELETE /devices/{id}", OWNER, ""),
    //
    row("POST /auth/register", EVERYBODY, ACCOUNT),
    row("POST /register", EVERYBODY, ACCOUNT),
    row("POST /auth/login", EVERYBODY, LOGIN),
    row("POST /login", EVERYBODY, LOGIN),
    row("POST /auth/refresh", EVERYBODY, r#"{"refresh_token": "<refresh>"}"#),
    row("GET /users/me", USERS, ""),
    row("PATCH /users/me", USERS, r#"{"full_name": "Another Name"}"#),
    row("POST /auth/logout", USERS, ""),
    row("DELETE /users/me", USERS, r#"{"current_password": "correct horse"}"#),
];
