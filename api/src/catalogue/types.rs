//! The rules of products, and the orders in which they are listed.

use std::str::FromStr;

use crate::ids::ProductId;
use serde::Deserialize;

use crate::catalogue::money::{Currency, PriceMinor};
use crate::http::text::{self, text_type};

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
text_type! {
    /// A piece of text to look for.
    SearchText, text::line, 200
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

/// Which products are wanted; `None` wants all.
#[derive(Debug, Clone, Default)]
pub struct ProductFilter {
    /// Those with this in their title, description or SKU, whatever its case.
    pub text: Option<SearchText>,
    /// Those of this category, whatever its case.
    pub category: Option<Category>,
}

/// The order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// The cheapest first.
    Price,
    /// The dearest first.
    PriceDescending,
    /// By title.
    Name,
    /// The newest first.
    #[default]
    Newest,
}

impl Sort {
    /// The order of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "price" => Some(Self::Price),
            "-price" => Some(Self::PriceDescending),
            "name" => Some(Self::Name),
            "newest" => Some(Self::Newest),
            _ => None,
        }
    }
}

/// By what a page's last product stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortKey {
    /// Its price.
    Price(i64),
    /// Its title.
    Title(String),
    /// Its id alone.
    Id,
}

/// Where a page ends: the last product on it, as it was then. So the next page begins in the right place even when
/// that product's price has changed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductCursor {
    /// By what it stood there.
    pub key: SortKey,
    /// Which it was.
    pub id: ProductId,
}

impl ProductCursor {
    /// Whether it is of a list in this order.
    #[must_use]
    pub fn fits(&self, sort: Sort) -> bool {
        match sort {
            Sort::Price | Sort::PriceDescending => matches!(self.key, SortKey::Price(_)),
            Sort::Name => matches!(self.key, SortKey::Title(_)),
            Sort::Newest => self.key == SortKey::Id,
        }
    }
}

impl std::fmt::Display for ProductCursor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.id)?;
        match &self.key {
            SortKey::Price(minor) => write!(formatter, "p{minor}"),
            SortKey::Title(title) => {
                formatter.write_str("t")?;
                title.bytes().try_for_each(|byte| write!(formatter, "{byte:02x}"))
            }
            SortKey::Id => Ok(()),
        }
    }
}

/// A text that is no cursor of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this list")]
pub struct CursorError;

impl FromStr for ProductCursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, key) = text.split_at_checked(ulid::ULID_LEN).ok_or(CursorError)?;
        let id = id.parse().map_err(|_| CursorError)?;
        let key = match key.split_at_checked(1) {
            None => SortKey::Id,
            Some(("p", minor)) => SortKey::Price(minor.parse().map_err(|_| CursorError)?),
            Some(("t", digits)) => SortKey::Title(from_hex(digits).ok_or(CursorError)?),
            Some(_) => return Err(CursorError),
        };
        Ok(Self { key, id })
    }
}

fn from_hex(digits: &str) -> Option<String> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| match pair {
        [_, _] => u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok(),
        _ => None,
    });
    let text = String::from_utf8(pairs.collect::<Option<_>>()?).ok()?;
    Title::try_from(text).ok().map(|title| title.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use crate::ids::ProductId;

    use super::{ImageUrl, ProductCursor, Sort, SortKey, Stock};

    #[test]
    fn a_cursor_is_read_back_and_fits_its_own_order_only() {
        let id = ProductId::generate();
        for (key, sort) in [
            (SortKey::Price(999), Sort::Price),
            (SortKey::Title("Lâmpada 7".to_owned()), Sort::Name),
            (SortKey::Id, Sort::Newest),
        ] {
            let cursor = ProductCursor { key, id };
            assert_eq!(cursor.to_string().parse(), Ok(cursor.clone()));
            assert!(cursor.to_string().bytes().all(|byte| byte.is_ascii_alphanumeric()), "goes into a URL as it is");
            let fitting = [Sort::Price, Sort::Name, Sort::Newest].into_iter().filter(|other| cursor.fits(*other));
            assert_eq!(fitting.collect::<Vec<_>>(), [sort]);
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let id = ProductId::generate();
        for end in ["x", "p", "pp", "p9999999999999999999", "t", "t0", "tzz", "t00", "tff", "tñ", "t+1"] {
            assert!(format!("{id}{end}").parse::<ProductCursor>().is_err(), "{end}");
        }
        for text in ["", "x", "ñ01JD3ZK8M4T0Q2V6X9Y7B5C1R"] {
            assert!(text.parse::<ProductCursor>().is_err(), "{text}");
        }
    }

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
