//! Web pages of other origins that may use the API.

use std::str::FromStr;

use actix_web::http::Uri;

/// The origins whose pages may use the API; none by default.
#[derive(Debug, Clone, Default)]
pub struct AllowedOrigins(Vec<String>);

impl FromStr for AllowedOrigins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let origins = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        origins.map(origin).collect::<Result<_, _>>().map(Self)
    }
}

/// An origin as browsers write it: `*` would let every page on the internet act for who is signed in.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("{text} is no origin such as https://app.example.com");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or_else(wrong)?;
    let origin = format!("{scheme}://{authority}").to_ascii_lowercase();
    let is_bare = text.trim_end_matches('/').eq_ignore_ascii_case(&origin) && !origin.contains('@');
    if is_bare && matches!(scheme, "http" | "https") { Ok(origin) } else { Err(wrong()) }
}

impl AllowedOrigins {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether `origin` is one of them.
    pub fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed == origin)
    }
}

#[cfg(test)]
mod tests {
    use super::AllowedOrigins;

    #[test]
    fn origins_are_whole_and_never_a_star() {
        let read = |text: &str| text.parse::<AllowedOrigins>().map(|origins| origins.0);
        assert_eq!(read("").unwrap(), [""; 0]);
        let two = read(" https://App.example.com/ ,http://localhost:5173,").unwrap();
        assert_eq!(two, ["https://app.example.com", "http://localhost:5173"]);
        for bad in ["*", "app.example.com", "https://a.example.com/app", "ftp://a.example.com", "https://u@a.example"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
