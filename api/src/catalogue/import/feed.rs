//! A feed of products, in the shape of dummyjson's `/products`, and what its items say in our terms.

use std::collections::HashSet;

use serde_json::{Number, Value};
use sha2::{Digest, Sha256};

use crate::catalogue::money::{Currency, PriceMinor};
use crate::catalogue::types::{Category, ImageUrl, ProductDescription, ProductSettings, Sku, Stock, Title};
use crate::http::error::{ApiError, FieldError};
use crate::http::extract::fields::{Fields, Names, body, from_object, optional, optional_text, or_default, required};
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

body! {
    /// A feed of products. Its other fields (`total`, `skip`, `limit`, …) are ignored.
    #[schema(as = FeedBody)]
    pub struct Feed {
        /// At most 1,000 items; without it, the feed is fetched from `CATALOGUE_URL`.
        #[schema(value_type = Option<Vec<FeedItemBody>>, max_items = 1000)]
        pub products: Option<Vec<Value>> = optional,
        /// What the feed is called: a product is known by its id and this name.
        #[schema(value_type = Option<String>, format = "line", max_length = 50, default = "dummyjson")]
        pub source: String = source,
    }
    const MAY_BE_EMPTY: bool = true;
    then(fields) {
        check_item_count(fields, &products);
    }
}

body! {
    /// A product, as a feed describes it.
    #[schema(example = json!({"id": 1, "title": "LoRa gateway", "description": "Eight channels.", "category": "gateways",
        "price": 129.90, "stock": 25, "sku": "GW-8", "thumbnail": "https://cdn.example.com/gw-8.webp"}))]
    pub struct FeedItemBody {
        /// Its id in the feed: a whole number or a text.
        #[schema(schema_with = external_id_schema)]
        pub id: String = external_id,
        /// Title, one line.
        #[schema(value_type = String, format = "line", min_length = 1, max_length = 150)]
        pub title: Title = required,
        /// Description; may have several lines.
        #[schema(value_type = Option<String>, format = "paragraph", max_length = 5000)]
        pub description: Option<ProductDescription> = optional_text,
        /// Category; matched whatever its case.
        #[schema(value_type = Option<String>, format = "line", max_length = 100)]
        pub category: Option<Category> = optional_text,
        /// Price in units of the currency, with no more decimals than the currency has.
        #[schema(value_type = f64, minimum = 0)]
        pub price: PriceMinor = required,
        /// Currency (ISO 4217).
        #[schema(value_type = Option<String>, format = "currency", pattern = "^([A-Z]{3})?$", default = "USD")]
        pub currency: Currency = currency,
        /// Pieces in stock.
        #[schema(value_type = i32, minimum = 0, maximum = 1_000_000)]
        pub stock: Stock = required,
        /// The seller's own number (SKU).
        #[schema(value_type = Option<String>, format = "line", max_length = 64)]
        pub sku: Option<Sku> = optional_text,
        /// Address of a picture, http or https.
        #[schema(value_type = Option<String>, max_length = 2000, pattern = r"^(https?://[!#-;=?-\[\]_a-z~]+)?$")]
        pub thumbnail: Option<ImageUrl> = optional_text,
        /// Whether each one shipped is registered as a device of the buyer's.
        #[schema(value_type = Option<bool>, default = false)]
        pub is_device: bool = or_default,
    }
    then(fields) {
        let price = price_minor(fields, price, currency.as_ref());
    }
}

fn check_item_count(fields: &mut Fields, items: &Option<Option<Vec<Value>>>) {
    if let Some(Some(items)) = items
        && items.len() > MAX_ITEMS
    {
        fields.fault("products", "too_many", format!("must be at most {MAX_ITEMS} items"));
    }
}

fn source(fields: &mut Fields, names: Names) -> Option<String> {
    let name = optional_text::<SourceName>(fields, names)?;
    Some(name.map_or(DEFAULT_SOURCE.to_owned(), |name| name.as_str().to_owned()))
}

fn currency(fields: &mut Fields, names: Names) -> Option<Currency> {
    Some(optional_text(fields, names)?.unwrap_or_else(Currency::us_dollar))
}

fn external_id_schema() -> utoipa::openapi::schema::Object {
    use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, SchemaType, Type};
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::String]))
        .description(Some("Its id in the feed: a whole number or a text."))
        .format(Some(SchemaFormat::Custom("line".into())))
        .min_length(Some(1))
        .max_length(Some(100))
        .build()
}

fn external_id(fields: &mut Fields, names: Names) -> Option<String> {
    match required::<Value>(fields, names)? {
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::String(text) => {
            let id = ExternalId::try_from(text).map_err(|error| fields.fault("id", "invalid", error)).ok()?;
            Some(id.as_str().to_owned())
        }
        _ => {
            fields.fault("id", "wrong_type", "must be a whole number or a string");
            None
        }
    }
}

/// A JSON number is read as the shortest decimal that means it: what the feed wrote, digit by digit.
fn price_minor(fields: &mut Fields, price: Option<Number>, currency: Option<&Currency>) -> Option<PriceMinor> {
    let currency = currency.cloned().unwrap_or_else(Currency::us_dollar);
    let price = PriceMinor::from_decimal(&price?.to_string(), &currency);
    price.map_err(|error| fields.fault("price", "invalid", error)).ok()
}

/// A valid item.
pub struct FeedItem {
    pub external_id: String,
    pub settings: ProductSettings,
    pub digest: Vec<u8>,
}

impl From<FeedItemBody> for FeedItem {
    fn from(body: FeedItemBody) -> Self {
        let FeedItemBody { id, title, description, category, price, currency, stock, sku, thumbnail, is_device } = body;
        let settings = ProductSettings {
            title,
            description,
            category,
            price_minor: price,
            currency,
            stock,
            is_device,
            image_url: thumbnail,
            sku,
        };
        // Of what we take over: a new rating in the feed is no change here.
        let digest = Sha256::digest(format!("{settings:?}")).to_vec();
        Self { external_id: id, settings, digest }
    }
}

/// Looks at an item; `seen` are the ids of those before it.
pub fn read_item(item: Value, seen: &mut HashSet<String>) -> Result<FeedItem, Vec<FieldError>> {
    let Value::Object(object) = item else {
        return Err(vec![FieldError {
            pointer: String::new(),
            code: "wrong_type",
            detail: "must be an object".into(),
        }]);
    };
    let item = from_object::<FeedItemBody>(object).map_err(|error| match error {
        ApiError::Validation(faults) => faults,
        other => vec![FieldError { pointer: String::new(), code: "invalid", detail: other.to_string() }],
    })?;
    if seen.insert(item.id.clone()) {
        Ok(item.into())
    } else {
        Err(vec![FieldError::new("id", "duplicate", "is the id of an item before it")])
    }
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
