//! `/docs` (Swagger UI), `/redoc` (ReDoc) and the document they show. Their scripts and styles are in the binary.

use std::sync::{Arc, OnceLock};

use actix_web::HttpRequest;
use actix_web::guard::Get;
use actix_web::web::{self, Bytes, ServiceConfig};
use utoipa_swagger_ui::Config;

use super::asset::{Asset, Freshness};
use super::document;
use crate::http::error::ApiError;

/// Where the document is.
const DOCUMENT_PATH: &str = "/api-docs/openapi.json";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

const DOCS: &str = "/docs";
const REDOC: &str = "/redoc";
const REDOC_SCRIPT_PATH: &str = "/redoc/redoc.standalone.js";
const REDOC_LICENCE_PATH: &str = "/redoc/redoc.standalone.js.LICENSE.txt";

/// What the page at `/docs` names of Swagger UI's files.
const SWAGGER_FILES: [(&str, &str); 6] = [
    ("/docs/swagger-ui.css", STYLE),
    ("/docs/index.css", STYLE),
    ("/docs/favicon-32x32.png", "image/png"),
    ("/docs/swagger-ui-bundle.js", SCRIPT),
    ("/docs/swagger-ui-standalone-preset.js", SCRIPT),
    ("/docs/swagger-initializer.js", SCRIPT),
];

/// From npm by way of build.rs; empty where `make web-assets` had not been run before the build.
const REDOC_SCRIPT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/redoc.standalone.js"));
const REDOC_LICENCE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/redoc.standalone.js.LICENSE.txt"));

/// One for all HTTP threads, made when somebody first asks: some megabytes, which most APIs never need.
static ASSETS: OnceLock<Vec<Asset>> = OnceLock::new();

/// Serves the document and the pages.
pub fn serve(services: &mut ServiceConfig) {
    for path in paths() {
        // A guard, not a route: another method is then answered with 405 where all others are.
        let answer = move |request: HttpRequest| async move { asset(path).await?.respond(&request).await };
        services.service(web::resource(path).guard(Get()).to(answer));
    }
}

/// Where the pages and their files are.
pub fn paths() -> impl Iterator<Item = &'static str> {
    let redoc_files = [REDOC_SCRIPT_PATH, REDOC_LICENCE_PATH].into_iter().filter(|_| !REDOC_SCRIPT.is_empty());
    [DOCUMENT_PATH, DOCS, REDOC].into_iter().chain(SWAGGER_FILES.map(|(path, _)| path)).chain(redoc_files)
}

async fn asset(path: &str) -> Result<&'static Asset, ApiError> {
    let assets = match ASSETS.get() {
        Some(assets) => assets,
        // Not on the HTTP threads: it takes tens of milliseconds.
        None => web::block(|| ASSETS.get_or_init(assets)).await.map_err(|error| ApiError::Internal(Box::new(error)))?,
    };
    assets.iter().find(|asset| asset.path() == path).ok_or(ApiError::NotFound("page"))
}

fn assets() -> Vec<Asset> {
    let document = document().to_json().inspect_err(|error| tracing::error!(%error, "no OpenAPI document"));
    let document = Asset::new(DOCUMENT_PATH, "application/json", Freshness::Ask, document.unwrap_or_default());
    let mut assets = swagger_files();
    assets.push(page(DOCS, include_str!("../../assets/docs.html"), &assets));
    assets.extend(redoc());
    assets.push(document);
    assets
}

fn swagger_files() -> Vec<Asset> {
    // "none": otherwise the page asks swagger.io to validate the document.
    let config = Arc::new(Config::new([DOCUMENT_PATH]).validator_url("none").use_base_layout());
    let file = |(path, content_type): (&'static str, _)| {
        let name = path.rsplit('/').next()?;
        let file = utoipa_swagger_ui::serve(name, config.clone()).ok().flatten()?;
        let content = Bytes::from(file.bytes.into_owned());
        Some(Asset::new(path, content_type, Freshness::Forever, content))
    };
    SWAGGER_FILES.into_iter().filter_map(file).collect()
}

fn redoc() -> Vec<Asset> {
    if REDOC_SCRIPT.is_empty() {
        return vec![page(REDOC, include_str!("../../assets/redoc-missing.html"), &[])];
    }
    let licence = Bytes::from_static(REDOC_LICENCE);
    let mut assets = vec![
        Asset::new(REDOC_SCRIPT_PATH, SCRIPT, Freshness::Forever, Bytes::from_static(REDOC_SCRIPT)),
        Asset::new(REDOC_LICENCE_PATH, "text/plain; charset=utf-8", Freshness::Ask, licence),
    ];
    assets.push(page(REDOC, include_str!("../../assets/redoc.html"), &assets));
    assets
}

/// A page in which each of `files` is named with its digest, so that a client never uses one of another release.
fn page(path: &'static str, template: &str, files: &[Asset]) -> Asset {
    let html = files.iter().fold(template.to_owned(), |html, file| {
        html.replace(&format!("\"{}\"", file.path()), &format!("\"{}?v={}\"", file.path(), file.digest()))
    });
    Asset::new(path, HTML, Freshness::Ask, html)
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ETAG, IF_NONE_MATCH};
    use actix_web::middleware::NormalizePath;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, dev::ServiceResponse};

    use super::{paths, serve};
    use crate::http::extract::etag::NotModified;

    async fn get(path: &str, header: (actix_web::http::header::HeaderName, &str)) -> ServiceResponse {
        let app = App::new().wrap(NormalizePath::trim()).configure(serve);
        let app = init_service(app).await;
        call_service(&app, TestRequest::get().uri(path).insert_header(header).to_request()).await
    }

    #[actix_web::test]
    async fn every_file_that_a_page_names_is_there() {
        for page in ["/docs", "/docs/", "/redoc", "/redoc/"] {
            let response = get(page, (ACCEPT_ENCODING, "identity")).await;
            assert_eq!(response.status(), StatusCode::OK, "{page}");
            let html = String::from_utf8(read_body(response).await.to_vec()).unwrap();
            assert!(!html.contains("//"), "{page} names another host");
            let named = html.split('"').filter(|text| text.starts_with('/'));
            for file in named.map(|text| text.split('?').next().unwrap()) {
                assert!(paths().any(|path| path == file), "{page} names {file}");
            }
        }
    }

    #[actix_web::test]
    async fn a_file_is_compressed_for_who_takes_it_and_not_sent_twice() {
        let path = "/docs/swagger-ui-bundle.js";
        let plain = get(path, (ACCEPT_ENCODING, "identity")).await;
        assert!(plain.headers().get(CONTENT_ENCODING).is_none());
        let gzipped = get(path, (ACCEPT_ENCODING, "gzip, deflate, br")).await;
        assert_eq!(gzipped.headers().get(CONTENT_ENCODING).unwrap(), "gzip");
        let tag = plain.headers().get(ETAG).unwrap().to_str().unwrap().to_owned();
        let (plain, gzipped) = (read_body(plain).await, read_body(gzipped).await);
        assert!(gzipped.len() * 3 < plain.len(), "{} of {}", gzipped.len(), plain.len());
        let again = get(path, (IF_NONE_MATCH, &tag)).await;
        assert!(again.response().extensions().contains::<NotModified>());
    }
}
