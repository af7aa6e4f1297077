//! How products are listed: filter, order, and the cursor between two pages.

use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::Deserialize;
use utoipa::IntoParams;

use super::types::{Category, Title};
use crate::http::error::{ApiError, FieldError};
use crate::http::extract::page::{Page, PageQuery, parse_limit};
use crate::http::extract::query::{SearchText, given, parse_search_text, parse_with};
use crate::ids::ProductId;

/// Which products are wanted, and in which order.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProductQuery {
    /// Part of the title, the description or the SKU, whatever its case.
    #[param(value_type = Option<String>, format = "line", max_length = 200)]
    q: Option<String>,
    /// The category, whole, whatever its case.
    #[param(value_type = Option<String>, format = "line", max_length = 100)]
    category: Option<String>,
    /// `price`: the cheapest first. `-price`: the dearest first. `name`: by title. `newest` (the default): the newest
    /// first. Prices are compared as they are, whatever their currency.
    #[param(value_type = Option<String>, pattern = "^(price|-price|name|newest)?$", example = "-price")]
    sort: Option<String>,
}

impl ProductQuery {
    /// Checks it, together with the page.
    pub fn parse(&self, page: &PageQuery) -> Result<(ProductFilter, Sort, Page<ProductCursor>), ApiError> {
        let mut faults = Vec::new();
        let text = parse_search_text(&mut faults, "q", &self.q);
        let category = given(&self.category).map(|name| Category::try_from(name.to_owned())).transpose();
        let category = category.unwrap_or_else(|error| {
            faults.push(FieldError::new("category", "invalid", error));
            None
        });
        let rule = "must be price, -price, name or newest";
        let sort = parse_with(&mut faults, "sort", given(&self.sort), rule, Sort::named).unwrap_or_default();
        match page.parse::<ProductCursor>() {
            Err(ApiError::Validation(more)) => faults.extend(more),
            Err(error) => return Err(error),
            Ok(page) if page.after.as_ref().is_some_and(|cursor| !cursor.fits(sort)) => {
                faults.push(FieldError::new("cursor", "invalid", "is not a cursor of this list"));
            }
            Ok(page) if faults.is_empty() => return Ok((ProductFilter { text, category }, sort, page)),
            Ok(_) => {}
        }
        Err(ApiError::Validation(faults))
    }
}

/// How many best-sellers are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BestSellerQuery {
    /// Most products wanted.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 10)]
    limit: Option<String>,
}

impl BestSellerQuery {
    /// Checks it.
    pub fn parse(&self) -> Result<u16, ApiError> {
        parse_limit(&self.limit, 10).map_err(|fault| ApiError::Validation(vec![fault]))
    }
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
    Price,
    PriceDescending,
    Name,
    #[default]
    Newest,
}

impl Sort {
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

/// The sort key of a page's last product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SortKey {
    Price(i64),
    Title(String),
    Id,
}

/// The last product of a page, as it was then: the next page begins in the right place even when that product's price
/// has changed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductCursor {
    pub key: SortKey,
    pub id: ProductId,
}

impl ProductCursor {
    /// Whether it is of a list in this order.
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
            SortKey::Title(title) => write!(formatter, "t{}", HEXLOWER.encode(title.as_bytes())),
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
        let (id, key) = text.split_at_checked(pulso_shared::ids::ULID_LEN).ok_or(CursorError)?;
        let id = id.parse().map_err(|_| CursorError)?;
        let key = match key.split_at_checked(1) {
            None => SortKey::Id,
            Some(("p", minor)) => SortKey::Price(minor.parse().map_err(|_| CursorError)?),
            Some(("t", digits)) => SortKey::Title(title(digits).ok_or(CursorError)?),
            Some(_) => return Err(CursorError),
        };
        Ok(Self { key, id })
    }
}

/// Only what could be a title is compared with titles.
fn title(digits: &str) -> Option<String> {
    let text = String::from_utf8(HEXLOWER.decode(digits.as_bytes()).ok()?).ok()?;
    Title::try_from(text).ok().map(|title| title.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{ProductCursor, Sort, SortKey};
    use crate::ids::ProductId;

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
}
