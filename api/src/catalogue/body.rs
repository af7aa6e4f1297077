//! What comes in.

use utoipa::ToSchema;

use super::types::ProductSettings;
use crate::http::extract::json::{Fields, FromFields};

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
