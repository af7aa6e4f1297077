//! Products as administrators describe them.

use serde::Deserialize;

use super::money::{Currency, PriceMinor};
use crate::http::error::ApiError;
use crate::http::extract::fields::{body, optional_text, or_default, required};
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
    Category, text::line, 100
}
text_type! {
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

body! {
    /// A product, as an administrator describes it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    #[schema(as = ProductBody, example = json!({"title": "LoRa gateway", "category": "gateways", "price_minor": 12990,
        "currency": "EUR", "stock": 25, "is_device": true}))]
    pub struct ProductSettings {
        /// Title, one line.
        #[schema(value_type = String, format = "line", min_length = 1, max_length = 150)]
        pub title: Title = required,
        /// Description; may have several lines.
        #[schema(value_type = Option<String>, format = "paragraph", max_length = 5000)]
        pub description: Option<ProductDescription> = optional_text,
        /// Category; matched whatever its case.
        #[schema(value_type = Option<String>, format = "line", max_length = 100)]
        pub category: Option<Category> = optional_text,
        /// Price in minor units (cents) of the currency.
        #[schema(value_type = i64, minimum = 0, maximum = 10_000_000_000_i64)]
        pub price_minor: PriceMinor = required,
        /// Currency (ISO 4217).
        #[schema(value_type = String, format = "currency", pattern = "^[A-Z]{3}$")]
        pub currency: Currency = required,
        /// Pieces in stock.
        #[schema(value_type = i32, minimum = 0, maximum = 1_000_000)]
        pub stock: Stock = required,
        /// Whether each one shipped is registered as a device of the buyer's.
        #[schema(value_type = Option<bool>, default = false)]
        pub is_device: bool = or_default,
        /// Address of a picture, http or https.
        #[schema(value_type = Option<String>, max_length = 2000, pattern = r"^(https?://[!#-;=?-\[\]_a-z~]+)?$")]
        pub image_url: Option<ImageUrl> = optional_text,
        /// The seller's own number (SKU), unique in the catalogue.
        #[schema(value_type = Option<String>, format = "line", max_length = 64)]
        pub sku: Option<Sku> = optional_text,
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
