//! One id type per entity, so that a user's id cannot be handed in where a device's is wanted.
//!
//! An id is a ULID: 128 bits whose first 48 are the creation time. It is shown as 26 characters, stored as a
//! `uuid` (16 bytes), and read in either form, in any case.

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types;
use serde::{Deserialize, Serialize};
use ulid::Ulid;
use uuid::Uuid;

/// A text that is neither a ULID nor a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a ULID (26 characters) or a UUID (36 characters)")]
pub struct IdError;

fn parse(text: &str) -> Result<Ulid, IdError> {
    // 26 characters could say 130 bits; beyond '7' the first one would silently lose two of them.
    let fits = matches!(text.as_bytes().first(), Some(b'0'..=b'7'));
    if let (true, Ok(ulid)) = (fits, Ulid::from_string(text)) {
        return Ok(ulid);
    }
    // Only the hyphenated form: 32 bare hexadecimal digits are too easily something else.
    if text.len() == 36 {
        Uuid::try_parse(text).map(|uuid| Ulid(uuid.as_u128())).map_err(|_| IdError)
    } else {
        Err(IdError)
    }
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, AsExpression, FromSqlRow)]
        #[diesel(sql_type = sql_types::Uuid)]
        #[serde(try_from = "std::borrow::Cow<'_, str>")]
        pub struct $name(Ulid);

        impl $name {
            /// A new id, made of the present time and 80 random bits.
            #[must_use]
            pub fn generate() -> Self {
                Self(Ulid::generate())
            }

            /// The same 128 bits as a UUID, the form in which the database keeps them.
            #[must_use]
            pub fn as_uuid(self) -> Uuid {
                Uuid::from_u128(self.0.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.0.array_to_str(&mut [0; ulid::ULID_LEN]))
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.array_to_str(&mut [0; ulid::ULID_LEN]))
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse(text).map(Self)
            }
        }

        impl TryFrom<std::borrow::Cow<'_, str>> for $name {
            type Error = IdError;

            fn try_from(text: std::borrow::Cow<'_, str>) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(Ulid(uuid.as_u128()))
            }
        }

        impl ToSql<sql_types::Uuid, Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                ToSql::<sql_types::Uuid, Pg>::to_sql(&self.as_uuid(), &mut out.reborrow())
            }
        }

        impl FromSql<sql_types::Uuid, Pg> for $name {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                <Uuid as FromSql<sql_types::Uuid, Pg>>::from_sql(value).map(Self::from)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some("A ULID (26 characters); the same 128 bits as a UUID are accepted too."))
                    .examples(["01JD3ZK8M4T0Q2V6X9Y7B5C1RA"])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

id_type! {
    /// A person's account.
    UserId
}
id_type! {
    /// A device (or a server, which is a device).
    DeviceId
}
id_type! {
    /// One secret of a device.
    CredentialId
}
id_type! {
    /// A message that could not be stored.
    DeadLetterId
}
id_type! {
    /// One sign-in of a user: an access token and the family of refresh tokens that grows from it.
    SessionId
}
id_type! {
    /// One run of an API replica or of a worker.
    ProcessId
}
id_type! {
    /// Something to be done.
    TaskId
}
id_type! {
    /// A product of the catalogue.
    ProductId
}
id_type! {
    /// An order.
    OrderId
}
id_type! {
    /// An entry of the audit log.
    AuditId
}
id_type! {
    /// Whatever an entry of the audit log is about.
    SubjectId
}

#[cfg(test)]
mod tests {
    use super::DeviceId;

    #[test]
    fn an_id_is_read_as_ulid_or_uuid_in_any_case() {
        let id = DeviceId::generate();
        let forms = [
            id.to_string(),
            id.to_string().to_lowercase(),
            id.as_uuid().to_string(),
            id.as_uuid().to_string().to_uppercase(),
        ];
        for form in forms {
            assert_eq!(form.parse(), Ok(id), "{form}");
        }
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in
            ["", "x", "01JD3ZK8M4T0Q2V6X9Y7B5C1R", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "019ddf9a45c84c0db0db9a45c84c0db0"]
        {
            assert!(text.parse::<DeviceId>().is_err(), "{text}");
        }
    }
}
