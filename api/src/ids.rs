//! The ids that only the API names; the others are shared with the worker.

use pulso_shared::api_id_type;

api_id_type! {
    /// A person's account.
    UserId
}
api_id_type! {
    /// One secret of a device.
    CredentialId
}
api_id_type! {
    /// One sign-in of a user: an access token and the family of refresh tokens that grows from it.
    SessionId
}
api_id_type! {
    /// Something to be done.
    TaskId
}
api_id_type! {
    /// A product of the catalogue.
    ProductId
}
api_id_type! {
    /// An order.
    OrderId
}
api_id_type! {
    /// An entry of the audit log.
    AuditId
}
api_id_type! {
    /// Whatever an entry of the audit log is about.
    SubjectId
}
