//! Every setting of the API: a flag, an environment variable, a default. `pulso-api --help` lists them.

mod allowed_origins;
mod trusted_proxies;

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args};
use pulso_shared::config::{BrokerConfig, DatabaseConfig, RetentionConfig, milliseconds, seconds};
use pulso_shared::logging::LogConfig;
use secrecy::SecretString;

pub use allowed_origins::AllowedOrigins;
pub use trusted_proxies::TrustedProxies;

/// A shorter secret could be guessed offline from one token (HS256 wants at least its hash's length).
const MIN_JWT_SECRET_BYTES: usize = 32;

/// A request that waits for longer could not be finished after SIGTERM, within `app`'s `SHUTDOWN_TIMEOUT_S`.
const MAX_PUBLISH_TIMEOUT_MS: i64 = 12_000;

/// Settings of `serve`.
#[derive(Debug, Clone, Args)]
pub struct ApiConfig {
    /// Where to listen; port 0 takes a free one and logs it.
    #[arg(long, env = "BIND_ADDRESS", default_value = "0.0.0.0:8080")]
    pub bind_address: SocketAddr,
    /// Threads that answer requests; 0 is one for every two cores.
    #[arg(long, env = "HTTP_WORKERS", default_value_t = 0)]
    pub http_workers: usize,
    /// The database.
    #[command(flatten)]
    pub database: DatabaseConfig,
    /// Most connections to the database that requests open at once; heavy queries take three quarters of them at most.
    /// Sign-in and the tasks in the background have 7 more.
    #[arg(long, env = "DATABASE_POOL_SIZE", default_value_t = 16)]
    pub database_pool_size: usize,
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerConfig,
    /// `redis://[:password@]host:port[/database]`.
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: SecretString,
    /// Logs.
    #[command(flatten)]
    pub log: LogConfig,
    /// Accounts and tokens.
    #[command(flatten)]
    pub auth: AuthConfig,
    /// What is accepted from devices.
    #[command(flatten)]
    pub ingest: IngestConfig,
    /// How browsers and proxies reach the API.
    #[command(flatten)]
    pub web: WebConfig,
    /// How much anybody may ask for.
    #[command(flatten)]
    pub limits: LimitsConfig,
    /// Memory for finished answers about times that are over, bytes; 0 keeps none.
    #[arg(long, env = "ANSWER_CACHE_BYTES", default_value_t = 33_554_432)]
    pub answer_cache_bytes: u64,
    /// Users' cache entries.
    #[command(flatten)]
    pub cache: CacheConfig,
    /// How long rows are kept.
    #[command(flatten)]
    pub retention: RetentionConfig,
    /// The catalogue.
    #[command(flatten)]
    pub catalogue: CatalogueConfig,
}

/// Settings of how browsers and proxies reach the API.
#[derive(Debug, Clone, Args)]
pub struct WebConfig {
    /// Proxies that are believed what they say in X-Forwarded-For and X-Forwarded-Proto: addresses and networks,
    /// separated by commas.
    #[arg(long, env = "TRUSTED_PROXIES", default_value = "")]
    pub trusted_proxies: TrustedProxies,
    /// Whether all clients come by TLS although no trusted proxy says so: cookies are then Secure, and answers say HSTS.
    #[arg(long, env = "BEHIND_TLS", default_value_t = false, action = clap::ArgAction::Set)]
    pub behind_tls: bool,
    /// Web pages of other origins that may use the API, such as `https://app.example.com`, separated by commas.
    #[arg(long, env = "CORS_ALLOWED_ORIGINS", default_value = "")]
    pub cors_allowed_origins: AllowedOrigins,
    /// Bodies over 32 KiB that may arrive and be parsed at once. One caller has an eighth of them, strangers together a
    /// quarter.
    #[arg(long, env = "LARGE_BODIES_MAX", default_value = "64")]
    pub large_bodies_max: NonZeroU32,
    /// Answers of unbounded length (exports) that one account or device may be reading at once.
    #[arg(long, env = "STREAMS_MAX_PER_ACCOUNT", default_value = "4")]
    pub streams_max_per_account: NonZeroU32,
    /// How long a client may take nothing of an answer before its connection is closed, s.
    #[arg(long = "write-timeout-s", env = "WRITE_TIMEOUT_S", default_value = "30", value_parser = seconds())]
    pub write_timeout: Duration,
}

/// Settings of how much anybody may ask for; 0 sets no limit. Devices' data has its own: [`IngestConfig`].
#[derive(Debug, Clone, Args)]
pub struct LimitsConfig {
    /// Requests a minute from one address.
    #[arg(long, env = "ADDRESS_MAX_PER_MINUTE", default_value_t = 60_000)]
    pub address_max_per_minute: u32,
    /// Requests a minute of one user.
    #[arg(long, env = "USER_MAX_PER_MINUTE", default_value_t = 60_000)]
    pub user_max_per_minute: u32,
    /// Heavy queries (lists, searches, history, exports) of one account at once; four times as many may wait.
    #[arg(long, env = "ACCOUNT_MAX_CONCURRENT_QUERIES", default_value = "4")]
    pub account_max_concurrent_queries: NonZeroU32,
    /// Sign-ins and registrations a minute from one address.
    #[arg(long, env = "LOGIN_ADDRESS_MAX_PER_MINUTE", default_value_t = 30)]
    pub login_address_max_per_minute: u32,
    /// Failed sign-ins a quarter of an hour to one account from one address.
    #[arg(long, env = "LOGIN_MAX_PER_QUARTER_HOUR", default_value_t = 20)]
    pub login_max_per_quarter_hour: u32,
    /// Sign-ins an hour to one account from all addresses that never signed in to it.
    #[arg(long, env = "LOGIN_STRANGERS_MAX_PER_HOUR", default_value_t = 100)]
    pub login_strangers_max_per_hour: u32,
    /// Devices of one account, servers among them.
    #[arg(long, env = "DEVICES_MAX_PER_ACCOUNT", default_value_t = 100_000)]
    pub devices_max_per_account: u32,
    /// Least `offline_after_s` of a device, s.
    #[arg(long, env = "OFFLINE_AFTER_MIN_S", default_value_t = 5, value_parser = clap::value_parser!(i32).range(1..=3_600))]
    pub offline_after_min_s: i32,
}

/// Settings of users' cache entries.
#[derive(Debug, Clone, Copy, Args)]
pub struct CacheConfig {
    /// Bytes that the entries of one user may take.
    #[arg(long, env = "CACHE_USER_MAX_BYTES", default_value_t = 1_048_576)]
    pub cache_user_max_bytes: u64,
    /// Bytes that the entries of all users may take; to stay well below Redis' `maxmemory`.
    #[arg(long, env = "CACHE_MAX_BYTES", default_value_t = 268_435_456)]
    pub cache_max_bytes: u64,
}

/// Settings of the catalogue.
#[derive(Debug, Clone, Args)]
pub struct CatalogueConfig {
    /// Where `POST /products/import` fetches products from when it brings none: http or https, in the shape of
    /// dummyjson's `/products`. It may hold a password, so the log does not show it.
    #[arg(long, env = "CATALOGUE_URL", hide_env_values = true)]
    pub catalogue_url: Option<String>,
}

/// How long tokens live.
#[derive(Debug, Clone, Copy)]
pub struct TokenLives {
    /// A person's.
    pub user: Duration,
    /// A device's.
    pub device: Duration,
}

/// A setting of seconds, as answers and cookies state it; none is longer than fits.
pub fn whole_seconds(duration: Duration) -> u32 {
    duration.as_secs().try_into().unwrap_or(u32::MAX)
}

/// Settings of accounts and tokens.
#[derive(Debug, Clone, Args)]
pub struct AuthConfig {
    /// Signs the tokens; the same on every replica; at least 32 bytes.
    #[arg(long, env = "JWT_SECRET", hide_env_values = true, value_parser = JwtSecretParser)]
    pub jwt_secret: SecretString,
    /// Life of a user's access token, s.
    #[arg(long = "access-token-ttl-s", env = "ACCESS_TOKEN_TTL_S", default_value = "900", value_parser = seconds())]
    pub access_token_ttl: Duration,
    /// Life of a refresh token, s.
    #[arg(long = "refresh-token-ttl-s", env = "REFRESH_TOKEN_TTL_S", default_value = "2592000", value_parser = seconds())]
    pub refresh_token_ttl: Duration,
    /// How long the refresh token before the newest one is answered again, s. 0: never.
    #[arg(long = "refresh-reuse-s", env = "REFRESH_REUSE_S", default_value = "30", value_parser = seconds())]
    pub refresh_reuse: Duration,
    /// Life of a device's access token, s.
    #[arg(long = "device-token-ttl-s", env = "DEVICE_TOKEN_TTL_S", default_value = "86400", value_parser = seconds())]
    pub device_token_ttl: Duration,
    /// bcrypt's cost: each step doubles the work of a login and of an attack.
    #[arg(long, env = "BCRYPT_COST", default_value_t = 12, value_parser = clap::value_parser!(u32).range(4..=20))]
    pub bcrypt_cost: u32,
    /// Name of the first administrator, created at the start where there is no administrator.
    #[arg(long, env = "ADMIN_USERNAME", requires = "admin_password")]
    pub admin_username: Option<String>,
    /// Password of the first administrator.
    #[arg(long, env = "ADMIN_PASSWORD", hide_env_values = true, requires = "admin_username")]
    pub admin_password: Option<SecretString>,
}

impl ApiConfig {
    /// Oldest timestamp taken, days: what would be dropped at once is refused at the door instead.
    #[must_use]
    pub fn max_age_days(&self) -> u32 {
        let max_age = self.ingest.ingest_max_age_days;
        self.retention.retention_days.map_or(max_age, |retention| retention.get().min(max_age))
    }

    /// How many threads answer requests. Half of the cores where nothing is said: the other half is busy with what
    /// the requests set in motion, and fewer threads gather larger messages.
    #[must_use]
    pub fn http_threads(&self) -> usize {
        match self.http_workers {
            0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
            given => given,
        }
    }
}

impl AuthConfig {
    /// How long access tokens live.
    #[must_use]
    pub fn token_lives(&self) -> TokenLives {
        TokenLives { user: self.access_token_ttl, device: self.device_token_ttl }
    }
}

/// Settings of what is accepted from devices.
#[derive(Debug, Clone, Args)]
pub struct IngestConfig {
    /// How long an accepted request may wait for the broker's confirm before it is answered 503, ms.
    #[arg(long = "publish-timeout-ms", env = "PUBLISH_TIMEOUT_MS", default_value = "5000", value_parser = milliseconds(10..=MAX_PUBLISH_TIMEOUT_MS))]
    pub publish_timeout: Duration,
    /// Bytes that may wait for the broker in each HTTP thread; beyond, requests are answered 503 at once.
    #[arg(long, env = "PUBLISH_BUFFER_BYTES", default_value_t = 8_388_608)]
    pub publish_buffer_bytes: usize,
    /// Oldest timestamp taken, days.
    #[arg(long, env = "INGEST_MAX_AGE_DAYS", default_value_t = 3_650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub ingest_max_age_days: u32,
    /// Readings a second one device may send, one a request; arrays have ten times that. 0 sets no limit.
    #[arg(long, env = "INGEST_MAX_HZ", default_value_t = 20)]
    pub ingest_max_hz: u32,
    /// Whether devices registered with `ingest_auth: "open"` may send without a credential.
    #[arg(long, env = "ALLOW_OPEN_INGEST", default_value_t = true, action = clap::ArgAction::Set)]
    pub allow_open_ingest: bool,
}

/// A parser of our own, because clap quotes what any other one refuses: a secret would stand in the log.
#[derive(Clone, Copy)]
struct JwtSecretParser;

impl TypedValueParser for JwtSecretParser {
    type Value = SecretString;

    fn parse_ref(&self, command: &clap::Command, _: Option<&Arg>, value: &OsStr) -> Result<SecretString, clap::Error> {
        match value.to_str() {
            Some(text) if text.len() >= MIN_JWT_SECRET_BYTES => Ok(text.into()),
            _ => {
                let told = format!(
                    "JWT_SECRET must be at least {MIN_JWT_SECRET_BYTES} bytes, for example: openssl rand -hex 32\n"
                );
                Err(clap::Error::raw(ErrorKind::ValueValidation, told).with_cmd(command))
            }
        }
    }
}
