//! Signing in as the user who owns the simulated devices.

use clap::Args;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use crate::api_client::{ApiClient, CallError};

/// The API's address, and the user who owns the devices there.
#[derive(Debug, Clone, Args)]
pub struct AccountArgs {
    /// Address of the API.
    #[arg(long, env = "PULSO_URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// Name (or e-mail address) of the user who owns the devices.
    #[arg(long, env = "PULSO_USERNAME")]
    pub username: String,
    /// That user's password.
    #[arg(long, env = "PULSO_PASSWORD", hide_env_values = true)]
    pub password: SecretString,
    /// Register the user first, where there is none of that name.
    #[arg(long)]
    pub sign_up: bool,
}

/// Why the sign-in failed; the text is what the user reads.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Unknown user or wrong password.
    #[error(
        "cannot sign in as {0}: wrong user name or password (give them with --username and --password, or --sign-up to register)"
    )]
    Wrong(String),
    /// Anything else.
    #[error("cannot sign in: {0}")]
    Call(#[from] CallError),
}

/// A signed-in user.
pub struct Account {
    /// The client of the API that it is signed in at.
    pub client: ApiClient,
    token: SecretString,
}

#[derive(Deserialize)]
struct LoginResponse {
    access_token: String,
}

impl Account {
    /// Signs in.
    pub async fn sign_in(args: &AccountArgs) -> Result<Self, SignInError> {
        let client = ApiClient::new(&args.url)?;
        if args.sign_up {
            sign_up(&client, args).await?;
        }
        let body = json!({ "username": args.username, "password": args.password.expose_secret() });
        let address = client.address("/api/v1/auth/login");
        let login = client.call::<LoginResponse>(|http| http.post(&address).json(&body)).await;
        match login {
            Ok(login) => Ok(Self { client, token: login.access_token.into() }),
            Err(error) if error.status() == Some(StatusCode::UNAUTHORIZED) => {
                Err(SignInError::Wrong(args.username.clone()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The user's access token.
    pub fn token(&self) -> &str {
        self.token.expose_secret()
    }
}

async fn sign_up(client: &ApiClient, args: &AccountArgs) -> Result<(), SignInError> {
    let body = json!({ "username": args.username, "password": args.password.expose_secret() });
    let address = client.address("/api/v1/auth/register");
    match client.response(|http| http.post(&address).json(&body)).await {
        Ok(_) => Ok(()),
        // Registered already: the sign-in shows whether the password is right.
        Err(error) if error.status() == Some(StatusCode::CONFLICT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
