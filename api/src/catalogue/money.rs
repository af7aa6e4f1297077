//! Money: a whole number of minor units (cents) of a currency, never a fraction, never a float.

use serde::Deserialize;

/// Highest price, minor units: a hundred million of most currencies. A hundred lines of ten thousand pieces at this
/// price are still within an `i64`.
const MAX_PRICE_MINOR: i64 = 10_000_000_000;

/// The currencies of ISO 4217 that are money (no metals, no units of account).
const CURRENCIES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD \
    CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD \
    HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL \
    MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD \
    RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD \
    UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";
/// Those whose minor unit is the unit itself.
const WITHOUT_DECIMALS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";
/// Those with a thousand minor units to the unit.
const WITH_THREE_DECIMALS: &str = "BHD IQD JOD KWD LYD OMR TND";

/// Why an amount was refused; the words are what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a currency.
    #[error("must be a currency's three capital letters (ISO 4217)")]
    Currency,
    /// Negative, or more than anything costs.
    #[error("must be between 0 and {MAX_PRICE_MINOR} minor units")]
    OutOfRange,
    /// More decimals than the currency has.
    #[error("must have at most {0} decimals")]
    Decimals(usize),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Currency(String);

impl Currency {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a feed means that names none.
    pub fn us_dollar() -> Self {
        Self("USD".to_owned())
    }

    fn decimals(&self) -> usize {
        let is_in = |list: &str| list.split(' ').any(|code| code == self.0);
        if is_in(WITHOUT_DECIMALS) {
            0
        } else if is_in(WITH_THREE_DECIMALS) {
            3
        } else {
            2
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if CURRENCIES.split(' ').any(|code| code == text) { Ok(Self(text)) } else { Err(MoneyError::Currency) }
    }
}

/// A price, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct PriceMinor(i64);

impl PriceMinor {
    pub fn get(self) -> i64 {
        self.0
    }

    /// A price written as decimals of the unit: `9.99` is 999, digit by digit, so that nothing is ever rounded.
    pub fn from_decimal(text: &str, currency: &Currency) -> Result<Self, MoneyError> {
        let (units, fraction) = text.split_once('.').unwrap_or((text, ""));
        // `9.90` and `9.9` and `9.900` are the same price.
        let (fraction, decimals) = (fraction.trim_end_matches('0'), currency.decimals());
        if fraction.len() > decimals {
            return Err(MoneyError::Decimals(decimals));
        }
        let digits = format!("{units}{fraction:0<decimals$}");
        if units.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(MoneyError::OutOfRange);
        }
        digits.parse::<i64>().map_err(|_| MoneyError::OutOfRange)?.try_into()
    }
}

impl TryFrom<i64> for PriceMinor {
    type Error = MoneyError;

    fn try_from(minor: i64) -> Result<Self, Self::Error> {
        if (0..=MAX_PRICE_MINOR).contains(&minor) { Ok(Self(minor)) } else { Err(MoneyError::OutOfRange) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Currency, MoneyError, PriceMinor};

    fn minor(text: &str, currency: &str) -> Result<i64, MoneyError> {
        PriceMinor::from_decimal(text, &Currency::try_from(currency.to_owned()).unwrap()).map(PriceMinor::get)
    }

    #[test]
    fn a_decimal_price_is_read_digit_by_digit() {
        for (text, expected) in [
            ("9.99", 999),
            ("0.1", 10),
            ("19.90", 1990),
            ("1999", 199_900),
            ("0.29", 29),
            ("1.15", 115),
            ("8.000", 800),
        ] {
            assert_eq!(minor(text, "USD"), Ok(expected), "{text}");
        }
        assert_eq!((minor("1200", "JPY"), minor("1.234", "KWD")), (Ok(1200), Ok(1234)));
    }

    #[test]
    fn what_cannot_be_a_price_is_refused_rather_than_rounded() {
        assert_eq!(minor("9.999", "USD"), Err(MoneyError::Decimals(2)));
        assert_eq!(minor("1.5", "JPY"), Err(MoneyError::Decimals(0)));
        for text in ["-1", "-0.01", "1e21", "100000000.01", "99999999999999999999999", "", ".", "NaN", "1.2.3"] {
            assert!(minor(text, "USD").is_err(), "{text}");
        }
    }

    #[test]
    fn a_currency_is_one_of_the_known_ones() {
        for text in ["usd", "US", "XXX", "", " ", "USD EUR", "USDT"] {
            assert!(Currency::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
