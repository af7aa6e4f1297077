//! For the document: fields whose text has a form, and which a blank text leaves empty as well
//! ([`super::fields::optional_text`]).

use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

fn blank_or(form: ObjectBuilder, description: &str) -> Schema {
    let blank = ObjectBuilder::new().schema_type(Type::String).max_length(Some(0)).examples([""]);
    let null = ObjectBuilder::new().schema_type(Type::Null);
    let either = AnyOfBuilder::new().item(form.schema_type(Type::String)).item(blank).item(null);
    either.description(Some(description)).build().into()
}

/// An instant.
pub fn blank_or_instant() -> Schema {
    let form = ObjectBuilder::new().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    blank_or(form.examples(["2026-12-01T12:00:00Z"]), "RFC 3339, without an offset UTC; blank or `null` is none.")
}

/// An e-mail address.
pub fn blank_or_email() -> Schema {
    let form = ObjectBuilder::new().format(Some(SchemaFormat::Custom("email".into()))).max_length(Some(254));
    blank_or(form.examples(["ana@example.com"]), "An e-mail address; blank or `null` is none.")
}

/// An id.
pub fn blank_or_id() -> Schema {
    let form = ObjectBuilder::new().pattern(Some(pulso_shared::ids::PATTERN));
    blank_or(
        form.examples(["01JD3ZK8M4T0Q2V6X9Y7B5C1RA"]),
        "A ULID or a UUID, of a device of one's own; blank or `null` is none.",
    )
}
