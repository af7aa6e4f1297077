//! Products as administrators describe them.

use serde::Deserialize;
use utoipa::ToSchema;

use super::money::{Currency, PriceMinor};
use crate::http::error::ApiError;
use crate::http::extract::json::{Fields, FromFields};
use crate::http::text::{self, text_type};

/// For a product that is not there, and for a retired one.
pub const NO_PRODUCT: ApiError = ApiError::NotFound("product");

/// Most pieces an administrator can say there are. With the highest price, their worth still fits.
const MAX_STOCK: i32 = 1_000_000;
/// Longest address of a picture.
const MAX_URL_CHARS: usize = 2_000;

text_type! {
    /// What a product is called. Short enough to become a device's name, with a number behind it.
    Title, text::line, 150
}
text_type! {
    /// What it is; may have several lines.
    ProductDescription, text::paragraph, 5_000
}
text_type! {
    /// What it belongs to.
    Category, text::line, 100
}
text_type! {
    /// The seller's own number for it.
    Sku, text::line, 64
}

/// A number of pieces that cannot be; the words are what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be between 0 and {MAX_STOCK}")]
pub struct StockError;

/// How many pieces there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct Stock(i32);

impl Stock {
    /// The number.
    #[must_use]
    pub fn get(self) -> i32 {
        self.0
    }
}

impl TryFrom<i64> for Stock {
    type Error = StockError;

    fn try_from(pieces: i64) -> Result<Self, Self::Error> {
        let in_range = i32::try_from(pieces).ok().filter(|pieces| (0..=MAX_STOCK).contains(pieces));
        in_range.map(Self).ok_or(StockError)
    }
}

/// A text that is no address of a picture; the words are what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an http or https address of at most {MAX_URL_CHARS} characters")]
pub struct ImageUrlError;

/// Where a product's picture is. Only what a page can show without running it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct ImageUrl(String);

impl ImageUrl {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ImageUrl {
    type Error = ImageUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_one = host.is_some_and(|rest| !rest.is_empty())
            && text.len() <= MAX_URL_CHARS
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
        if is_one { Ok(Self(text)) } else { Err(ImageUrlError) }
    }
}

/// Everything of a product that an administrator decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductSettings {
    /// What it is called.
    pub title: Title,
    /// What it is.
    pub description: Option<ProductDescription>,
    /// What it belongs to.
    pub category: Option<Category>,
    /// What it costs.
    pub price_minor: PriceMinor,
    /// In which currency.
    pub currency: Currency,
    /// How many there are.
    pub stock: Stock,
    /// Whether each one shipped becomes a device of the buyer's.
    pub is_device: bool,
    /// Its picture.
    pub image_url: Option<ImageUrl>,
    /// The seller's own number for it.
    pub sku: Option<Sku>,
}

/// A product, as an administrator describes it.
#[derive(ToSchema)]
#[schema(example = json!({"title": "LoRa gateway", "category": "gateways", "price_minor": 12990, "currency": "EUR",
    "stock": 25, "is_device": true}))]
#[expect(dead_code, reason = "documents the body; ProductSettings reads it")]
pub struct ProductBody {
    /// What it is called.
    #[schema(min_length = 1, max_length = 150)]
    title: String,
    /// What it is.
    #[schema(max_length = 5000)]
    description: Option<String>,
    /// What it belongs to.
    #[schema(max_length = 100)]
    category: Option<String>,
    /// What it costs, in minor units (cents) of the currency.
    #[schema(minimum = 0, maximum = 10_000_000_000_i64)]
    price_minor: i64,
    /// In which currency (ISO 4217).
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// How many there are.
    #[schema(minimum = 0, maximum = 1_000_000)]
    stock: i32,
    /// Whether each one shipped is registered as a device of the buyer's.
    #[schema(default = false)]
    is_device: Option<bool>,
    /// Where its picture is.
    #[schema(max_length = 2000, format = "uri")]
    image_url: Option<String>,
    /// The seller's own number for it, unique in the catalogue.
    #[schema(max_length = 64)]
    sku: Option<String>,
}

impl FromFields for ProductSettings {
    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let (title, description) = (fields.required("title"), fields.optional_text("description"));
        let (category, sku) = (fields.optional_text("category"), fields.optional_text("sku"));
        let (price_minor, currency) = (fields.required("price_minor"), fields.required("currency"));
        let (stock, is_device) = (fields.required("stock"), fields.optional("is_device").unwrap_or_default());
        let image_url = fields.optional_text("image_url");
        let (title, price_minor, currency, stock) = (title?, price_minor?, currency?, stock?);
        Some(Self { title, description, category, price_minor, currency, stock, is_device, image_url, sku })
    }
}

#[cfg(test)]
mod tests {
    use super::{ImageUrl, Stock};

    #[test]
    fn a_picture_is_where_a_page_can_show_it() {
        assert!(ImageUrl::try_from("https://cdn.example.com/a/1.webp?x=1&y=2".to_owned()).is_ok());
        for bad in ["javascript:alert(1)", "data:x", "//x", "https://", "http://a b", "https://x/\"onload=", ""] {
            assert!(ImageUrl::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn stock_is_never_negative() {
        assert_eq!(Stock::try_from(0).map(Stock::get), Ok(0));
        assert!(Stock::try_from(-1).is_err() && Stock::try_from(1_000_001).is_err());
    }
}
