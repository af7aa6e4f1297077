//! The query of a device list: which devices.

use serde::Deserialize;
use utoipa::IntoParams;

use super::store::DeviceFilter;
use crate::http::error::ApiError;
use crate::http::extract::query::{parse_search_text, parse_with};
use crate::presence::PresenceStatus;

/// Which devices to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeviceQuery {
    /// Part of the name or of the serial number, whatever its case.
    #[param(value_type = Option<String>, format = "line", max_length = 200)]
    q: Option<String>,
    /// `online` or `offline`, as they are now.
    #[param(inline, value_type = Option<PresenceStatus>)]
    status: Option<String>,
    /// The location, whole, whatever its case.
    #[param(value_type = Option<String>, format = "line", max_length = 200)]
    location: Option<String>,
}

impl DeviceQuery {
    /// The filter, or every fault of the query.
    pub fn parse(&self) -> Result<DeviceFilter, ApiError> {
        let mut faults = Vec::new();
        let status = self.status.as_deref().filter(|text| !text.is_empty());
        let is_online = parse_with(&mut faults, "status", status, "must be online or offline", |word| match word {
            "online" => Some(true),
            "offline" => Some(false),
            _ => None,
        });
        let text = parse_search_text(&mut faults, "q", &self.q);
        let location = parse_search_text(&mut faults, "location", &self.location);
        if faults.is_empty() {
            Ok(DeviceFilter { only_servers: false, text, location, is_online })
        } else {
            Err(ApiError::Validation(faults))
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::web::Query;

    use super::{DeviceFilter, DeviceQuery};
    use crate::http::error::ApiError;

    fn parse(query: &str) -> Result<DeviceFilter, ApiError> {
        Query::<DeviceQuery>::from_query(query).unwrap().parse()
    }

    #[test]
    fn a_blank_parameter_filters_nothing() {
        for query in ["", "q=&status=&location=%20"] {
            let filter = parse(query).unwrap();
            assert!(filter.text.is_none() && filter.location.is_none() && filter.is_online.is_none(), "{query}");
        }
    }

    #[test]
    fn a_status_is_online_or_offline() {
        assert_eq!(parse("status=online").unwrap().is_online, Some(true));
        assert_eq!(parse("status=offline").unwrap().is_online, Some(false));
    }

    #[test]
    fn every_fault_is_named() {
        let refused = parse("status=asleep&q=a%00b&location=%01x");
        let Err(ApiError::Validation(faults)) = refused else { panic!("it was accepted") };
        assert_eq!(faults.into_iter().map(|fault| fault.pointer).collect::<Vec<_>>(), ["/status", "/q", "/location"]);
    }
}
