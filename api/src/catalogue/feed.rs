//! A feed of products, in the shape of dummyjson's `/products`, and what its items say in our terms.

use std::collections::HashSet;

use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::money::{Currency, PriceMinor};
use super::types::{ImageUrl, ProductSettings, Sku, Stock};
use crate::http::error::{ApiError, FieldError};
use crate::http::extract::json::{Fields, FromFields, from_object};
use crate::http::text::{self, text_type};

/// Most items of one feed.
const MAX_ITEMS: usize = 1_000;
/// What a feed is called that does not say.
const DEFAULT_SOURCE: &str = "dummyjson";

text_type! {
    /// A product's id in its feed.
    ExternalId, text::line, 100
}
text_type! {
    /// What a feed is called.
    SourceName, text::line, 50
}

/// A feed of products. Its other fields (`total`, `skip`, `limit`, …) are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents the body; Feed reads it")]
pub struct FeedBody {
    /// At most 1,000 items; without it, the feed is fetched from `CATALOGUE_URL`.
    #[schema(max_items = 1000)]
    products: Option<Vec<FeedItemBody>>,
    /// What the feed is called: a product is known by its id and this name.
    #[schema(max_length = 50, default = "dummyjson")]
    source: Option<String>,
}

/// A product, as a feed describes it.
#[derive(ToSchema)]
#[schema(example = json!({"id": 1, "title": "LoRa gateway", "description": "Eight channels.", "category": "gateways",
    "price": 129.90, "stock": 25, "sku": "GW-8", "thumbnail": "https://cdn.example.com/gw-8.webp"}))]
#[expect(dead_code, reason = "documents the body; FeedItem reads it")]
pub struct FeedItemBody {
    /// Its id in the feed: a whole number or a text.
    #[schema(value_type = Value)]
    id: Value,
    /// What it is called.
    #[schema(min_length = 1, max_length = 150)]
    title: String,
    /// What it is.
    #[schema(max_length = 5000)]
    description: Option<String>,
    /// What it belongs to.
    #[schema(max_length = 100)]
    category: Option<String>,
    /// What it costs, in units of the currency, with no more decimals than that has.
    #[schema(minimum = 0)]
    price: f64,
    /// In which currency.
    #[schema(default = "USD")]
    currency: Option<String>,
    /// How many there are.
    #[schema(minimum = 0, maximum = 1_000_000)]
    stock: i32,
    /// The seller's own number for it.
    #[schema(max_length = 64)]
    sku: Option<String>,
    /// Where its picture is.
    thumbnail: Option<String>,
    /// Whether each one shipped is registered as a device of the buyer's.
    #[schema(default = false)]
    is_device: Option<bool>,
}

/// A feed, its items not yet looked at.
pub struct Feed {
    /// The items; none where there was no body.
    pub items: Option<Vec<Value>>,
    /// What it is called.
    pub source: String,
}

impl FromFields for Feed {
    const MAY_BE_EMPTY: bool = true;

    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let items = fields.optional::<Vec<Value>>("products");
        if items.as_ref().is_some_and(|items| items.len() > MAX_ITEMS) {
            fields.fault("products", "too_many", format!("must be at most {MAX_ITEMS} items"));
        }
        let source = fields.optional_text::<SourceName>("source");
        let source = source.map_or(DEFAULT_SOURCE.to_owned(), |name| name.as_str().to_owned());
        Some(Self { items, source })
    }
}

/// A valid item.
pub struct FeedItem {
    /// Its id in the feed.
    pub external_id: String,
    /// What it says.
    pub settings: ProductSettings,
    /// SHA-256 of what it says.
    pub digest: Vec<u8>,
}

/// Looks at an item; `seen` are the ids of those before it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_item(item: Value, seen: &mut HashSet<String>) -> Result<FeedItem, Vec<FieldError>> {
    let Value::Object(object) = item else {
        return Err(vec![FieldError {
            pointer: String::new(),
            code: "wrong_type",
            detail: "must be an object".into(),
        }]);
    };
    let item = from_object::<FeedItem>(object).map_err(|error| match error {
        ApiError::Validation(faults) => faults,
        other => vec![FieldError { pointer: String::new(), code: "invalid", detail: other.to_string() }],
    })?;
    if seen.insert(item.external_id.clone()) {
        Ok(item)
    } else {
        Err(vec![FieldError::new("id", "duplicate", "is the id of an item before it")])
    }
}

impl FromFields for FeedItem {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let external_id = external_id(fields);
        let (title, description) = (fields.required("title"), fields.optional_text("description"));
        let category = fields.optional_text("category");
        let currency = fields.optional_text("currency").unwrap_or_else(Currency::us_dollar);
        let price_minor = price(fields, &currency);
        let stock = fields.required::<Stock>("stock");
        let (sku, image_url) = (fields.optional_text::<Sku>("sku"), fields.optional_text::<ImageUrl>("thumbnail"));
        let is_device = fields.optional("is_device").unwrap_or_default();
        let (title, price_minor, stock) = (title?, price_minor?, stock?);
        let settings =
            ProductSettings { title, description, category, price_minor, currency, stock, is_device, image_url, sku };
        // Of what we take over: a new rating in the feed is no change here.
        let digest = Sha256::digest(format!("{settings:?}")).to_vec();
        Some(Self { external_id: external_id?, settings, digest })
    }
}

fn external_id(fields: &mut Fields) -> Option<String> {
    match fields.required::<Value>("id")? {
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::String(text) => match ExternalId::try_from(text) {
            Ok(id) => Some(id.as_str().to_owned()),
            Err(error) => {
                fields.fault("id", "invalid", error);
                None
            }
        },
        _ => {
            fields.fault("id", "wrong_type", "must be a whole number or a string");
            None
        }
    }
}

/// A JSON number is read as the shortest decimal that means it: what the feed wrote, digit by digit.
fn price(fields: &mut Fields, currency: &Currency) -> Option<PriceMinor> {
    let number = fields.required::<serde_json::Number>("price")?;
    let price = PriceMinor::from_decimal(&number.to_string(), currency);
    price.map_err(|error| fields.fault("price", "invalid", error)).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::{Value, json};

    use super::read_item;

    fn item(id: Value) -> Value {
        json!({"id": id, "title": "Lamp", "price": 9.99, "stock": 5, "rating": 2.5, "brand": "x"})
    }

    fn faults(item: Value) -> Vec<(String, &'static str)> {
        let faults = read_item(item, &mut HashSet::new()).err().unwrap_or_default();
        faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn an_item_is_read_in_our_terms() {
        let read = read_item(item(json!(7)), &mut HashSet::new()).ok().unwrap();
        assert_eq!((read.external_id.as_str(), read.settings.price_minor.get()), ("7", 999));
        assert_eq!(read.settings.currency.as_str(), "USD");
    }

    #[test]
    fn only_what_is_taken_over_counts_as_a_change() {
        let digest = |item| read_item(item, &mut HashSet::new()).ok().unwrap().digest;
        let (mut rated, mut dearer) = (item(json!(7)), item(json!(7)));
        rated["rating"] = json!(5);
        dearer["price"] = json!(10);
        assert_eq!(digest(rated), digest(item(json!(7))));
        assert_ne!(digest(dearer), digest(item(json!(7))));
    }

    #[test]
    fn an_item_tells_all_that_is_wrong_with_it() {
        let wrong = json!({"id": 1.5, "title": "", "price": "9.99", "stock": -1, "thumbnail": "javascript:x"});
        let expected = [
            ("/id", "wrong_type"),
            ("/title", "invalid"),
            ("/price", "wrong_type"),
            ("/stock", "invalid"),
            ("/thumbnail", "invalid"),
        ];
        assert_eq!(faults(wrong), expected.map(|(pointer, code)| (pointer.to_owned(), code)));
        for bad in [json!(null), json!(5), json!([]), json!("x")] {
            assert_eq!(faults(bad), [(String::new(), "wrong_type")]);
        }
        let mut finer = item(json!(1));
        finer["price"] = json!(9.999);
        assert_eq!(faults(finer), [("/price".to_owned(), "invalid")]);
    }

    #[test]
    fn an_id_counts_once() {
        let mut seen = HashSet::new();
        assert!(read_item(item(json!(1)), &mut seen).is_ok());
        assert!(read_item(item(json!("1")), &mut seen).is_err());
        assert!(read_item(item(json!(2)), &mut seen).is_ok());
    }
}
