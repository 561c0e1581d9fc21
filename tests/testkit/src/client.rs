//! Raw access to the API server, for arranging and asserting.

use std::time::Duration;

use serde_json::Value;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::{Agent, http};

use crate::pki::Pki;

/// One user's way to the API server, apart from kb's own, so that an
/// assertion does not trust the code that it tests.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    server: String,
    token: Option<String>,
}

impl Client {
    /// Authenticates with a bearer token. `server` is `https://host:port`.
    #[must_use]
    pub fn with_token(server: &str, ca_pem: &str, token: &str) -> Self {
        Self {
            agent: agent(ca_pem, None),
            server: server.to_owned(),
            token: Some(token.to_owned()),
        }
    }

    /// Authenticates with the client certificate of `pki`.
    #[must_use]
    pub fn with_certificate(server: &str, pki: &Pki) -> Self {
        let certificate =
            Certificate::from_pem(pki.client_cert.as_bytes()).expect("a certificate in PEM");
        let key = PrivateKey::from_pem(pki.client_key.as_bytes()).expect("a key in PEM");
        let identity = ClientCert::new_with_certs(&[certificate], key);
        Self {
            agent: agent(&pki.ca, Some(identity)),
            server: server.to_owned(),
            token: None,
        }
    }

    /// Sends one request; the status and the body, whatever they are. A body
    /// that is not JSON comes as a JSON string. A `PATCH` is a merge patch, and
    /// `APPLY` a server-side apply.
    ///
    /// # Errors
    /// If there was no answer at all, in the HTTP client's words.
    pub fn try_request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), String> {
        let (method, content_type) = match method {
            "PATCH" => ("PATCH", "application/merge-patch+json"),
            // JSON is YAML.
            "APPLY" => ("PATCH", "application/apply-patch+yaml"),
            method => (method, "application/json"),
        };
        let body = body.map(ToString::to_string);
        self.send(method, path, content_type, body)
    }

    /// Creates an object from a YAML manifest.
    ///
    /// # Panics
    /// If there was no answer.
    pub fn post_yaml(&self, path: &str, manifest: &str) -> (u16, Value) {
        self.send("POST", path, "application/yaml", Some(manifest.to_owned()))
            .unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }

    /// Applies an object from a YAML manifest, on the server's side.
    ///
    /// # Panics
    /// If there was no answer.
    pub fn apply_yaml(&self, path: &str, manifest: &str) -> (u16, Value) {
        let content_type = "application/apply-patch+yaml";
        self.send("PATCH", path, content_type, Some(manifest.to_owned()))
            .unwrap_or_else(|error| panic!("PATCH {path}: {error}"))
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Option<String>,
    ) -> Result<(u16, Value), String> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header("accept", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = match body {
            Some(body) => {
                let request = request
                    .header("content-type", content_type)
                    .body(body)
                    .map_err(|error| error.to_string())?;
                self.agent.run(request)
            }
            None => {
                let request = request.body(()).map_err(|error| error.to_string())?;
                self.agent.run(request)
            }
        };
        let mut answer = answer.map_err(|error| error.to_string())?;
        let text = answer
            .body_mut()
            .read_to_string()
            .map_err(|error| error.to_string())?;
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok((answer.status().as_u16(), value))
    }

    /// As [`Client::try_request`].
    ///
    /// # Panics
    /// If there was no answer.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.try_request(method, path, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }
}

fn agent(ca_pem: &str, identity: Option<ClientCert>) -> Agent {
    let ca = Certificate::from_pem(ca_pem.as_bytes()).expect("a CA in PEM");
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&[ca]))
        .client_cert(identity)
        .build();
    Agent::config_builder()
        .tls_config(tls)
        // The environment of the test process may name a proxy.
        .proxy(None)
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .new_agent()
}
