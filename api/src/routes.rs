//! The table of contents: a line a domain. Ingest comes first, because the router tries routes in order.

use actix_web::web;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::API_PREFIX;
use crate::{
    accounts, audit, cache_entries, cart, catalogue, devices, export, history, ingest, operations, orders, presence,
    sessions, tasks, throughput,
};

/// Puts every route where clients look for it: under `/api/v1`, and again at the root for older clients.
pub fn serve(services: &mut web::ServiceConfig) {
    services.service(web::scope(API_PREFIX).configure(|scope| configure(&mut ServiceConfig::new(scope))));
    configure(&mut ServiceConfig::new(services));
}

/// Every route of the API.
pub fn configure(routes: &mut ServiceConfig<'_>) {
    ingest::routes::configure(routes);
    history::routes::configure(routes);
    export::routes::configure(routes);
    presence::routes::configure(routes);
    throughput::routes::configure(routes);
    devices::routes::configure(routes);
    sessions::routes::configure(routes);
    accounts::routes::configure(routes);
    cache_entries::routes::configure(routes);
    tasks::routes::configure(routes);
    operations::routes::configure(routes);
    catalogue::routes::configure(routes);
    cart::routes::configure(routes);
    orders::routes::configure(routes);
    audit::routes::configure(routes);
}
