//! One id type per entity, so that a user's id cannot be handed in where a device's is wanted.
//!
//! An id is a ULID: 128 bits whose first 48 are the creation time. It is shown as 26 characters, stored as a
//! `uuid` (16 bytes), and read in either form, in any case.

#[doc(hidden)]
pub use serde;
#[doc(hidden)]
pub use ulid;
#[doc(hidden)]
pub use uuid;

/// What an id is made of, and the length of its text; for ids that are of no entity.
pub use ulid::{ULID_LEN, Ulid};
/// The same 128 bits as the database keeps them.
pub use uuid::Uuid;

/// A text that is neither a ULID nor a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a ULID (26 characters) or a UUID (36 characters)")]
pub struct IdError;

/// What [`parse`] takes, as a regular expression.
#[doc(hidden)]
pub const PATTERN: &str =
    "^([0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})$";

/// Reads a ULID or a hyphenated UUID.
#[doc(hidden)]
pub fn parse(text: &str) -> Result<Ulid, IdError> {
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

/// Defines the id type of an entity.
#[macro_export]
macro_rules! id_type {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name($crate::ids::ulid::Ulid);

        impl $name {
            /// A new id, made of the present time and 80 random bits.
            #[must_use]
            pub fn generate() -> Self {
                Self($crate::ids::ulid::Ulid::generate())
            }

            /// The same 128 bits as a UUID, the form in which the database keeps them.
            #[must_use]
            pub fn as_uuid(self) -> $crate::ids::uuid::Uuid {
                $crate::ids::uuid::Uuid::from_u128(self.0.0)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.0.array_to_str(&mut [0; $crate::ids::ulid::ULID_LEN]))
            }
        }

        impl $crate::ids::serde::Serialize for $name {
            fn serialize<S: $crate::ids::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.array_to_str(&mut [0; $crate::ids::ulid::ULID_LEN]))
            }
        }

        impl<'de> $crate::ids::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::ids::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
                text.parse().map_err($crate::ids::serde::de::Error::custom)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ids::IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::ids::parse(text).map(Self)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl From<$crate::ids::uuid::Uuid> for $name {
            fn from(uuid: $crate::ids::uuid::Uuid) -> Self {
                Self($crate::ids::ulid::Ulid(uuid.as_u128()))
            }
        }
    };
}

/// As [`id_type!`], with what the API needs besides: diesel's and OpenAPI's traits.
#[cfg(feature = "api")]
#[macro_export]
macro_rules! api_id_type {
    ($(#[$meta:meta])* $name:ident) => {
        $crate::id_type! {
            $(#[$meta])*
            #[derive(diesel::expression::AsExpression, diesel::deserialize::FromSqlRow)]
            #[diesel(sql_type = diesel::sql_types::Uuid)]
            $name
        }

        impl diesel::serialize::ToSql<diesel::sql_types::Uuid, diesel::pg::Pg> for $name {
            fn to_sql<'b>(
                &'b self,
                out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>,
            ) -> diesel::serialize::Result {
                diesel::serialize::ToSql::<diesel::sql_types::Uuid, diesel::pg::Pg>::to_sql(
                    &self.as_uuid(),
                    &mut out.reborrow(),
                )
            }
        }

        impl diesel::deserialize::FromSql<diesel::sql_types::Uuid, diesel::pg::Pg> for $name {
            fn from_sql(value: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
                <$crate::ids::uuid::Uuid as diesel::deserialize::FromSql<
                    diesel::sql_types::Uuid,
                    diesel::pg::Pg,
                >>::from_sql(value)
                .map(Self::from)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some($crate::ids::PATTERN))
                    .description(Some("A ULID (26 characters); the same 128 bits as a UUID are accepted too."))
                    .examples(["01JD3ZK8M4T0Q2V6X9Y7B5C1RA"])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

#[cfg(feature = "api")]
use api_id_type as shared_id_type;
#[cfg(not(feature = "api"))]
use id_type as shared_id_type;

shared_id_type! {
    /// A device (or a server, which is a device).
    DeviceId
}
shared_id_type! {
    /// A message that could not be stored.
    DeadLetterId
}
shared_id_type! {
    /// One run of an API replica or of a worker.
    ProcessId
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
