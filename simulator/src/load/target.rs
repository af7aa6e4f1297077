//! Where the load goes.

use hyper::Uri;
use hyper::header::HeaderValue;

/// A URL that cannot be one of ours; the text is what the user reads.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {why}")]
pub struct TargetError {
    url: String,
    why: &'static str,
}

/// A server and a route on it.
#[derive(Debug, Clone)]
pub struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) authority: HeaderValue,
    pub(super) path: Uri,
}

impl Target {
    /// Route `route` (beginning with `/`) of the server at `url`.
    ///
    /// # Errors
    /// When `url` is not `http://host[:port][/prefix]`.
    pub fn new(url: &str, route: &str) -> Result<Self, TargetError> {
        let wrong = |why| TargetError { url: url.to_owned(), why };
        let uri: Uri = url.parse().map_err(|_| wrong("is not a URL"))?;
        if uri.scheme_str() != Some("http") {
            return Err(wrong("must begin with http://; the load generator speaks no TLS"));
        }
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        let path = format!("{}{route}", uri.path().trim_end_matches('/'));
        Ok(Self {
            // An IPv6 address stands in brackets in a URL and without them in a call.
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("names no host"))?,
            path: path.parse().map_err(|_| wrong("has a path that cannot be sent"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_url_and_a_route_make_a_target() {
        let target = Target::new("http://127.0.0.1:8080/", "/api/v1/heartbeats").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.path.path()), ("127.0.0.1", 8080, "/api/v1/heartbeats"));
        let target = Target::new("http://[::1]/prefix", "/x").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.path.path()), ("::1", 80, "/prefix/x"));
    }

    #[test]
    fn what_cannot_be_reached_is_refused_with_the_reason() {
        assert!(Target::new("https://example.org", "/x").unwrap_err().to_string().contains("TLS"));
        assert!(Target::new("127.0.0.1:8080", "/x").is_err());
        assert!(Target::new("", "/x").is_err());
    }
}
