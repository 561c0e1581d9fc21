//! The user of a kubeconfig, as kubectl understands one.
//!
//! For kubectl an empty field is an unset one, base64 may be wrapped into lines,
//! and a token file may end in a line end. kube takes all of them as they stand.

use std::io;
use std::path::{Path, PathBuf};

use http::HeaderValue;
use kube::config::AuthInfo;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::core::regular_file::{self, LARGEST_CONFIG};

/// Why a user's token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The token file cannot be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It could not stand in an HTTP header.
    #[error("it holds a line end or another control character")]
    Text,
}

/// Reads what a user's fields stand for. Afterwards there is no token file.
///
/// # Errors
/// [`TokenError`]
pub(super) fn resolve(mut user: AuthInfo) -> Result<AuthInfo, TokenError> {
    let paths = [
        &mut user.token_file,
        &mut user.client_certificate,
        &mut user.client_key,
    ];
    for path in paths {
        path.take_if(|path| !names_a_file(path));
    }
    for text in [&mut user.username, &mut user.client_certificate_data] {
        text.take_if(|text| text.is_empty());
    }
    for secret in [&mut user.password, &mut user.client_key_data] {
        secret.take_if(|secret| secret.expose_secret().is_empty());
    }
    if let Some(data) = &mut user.client_certificate_data {
        *data = unwrapped(data);
    }
    if let Some(data) = &mut user.client_key_data {
        *data = SecretString::from(unwrapped(data.expose_secret()));
    }
    // client-go prefers the file, which is renewed, to the token beside it.
    let inline = match user.token.take() {
        Some(token) => bearer(token.expose_secret())?,
        None => None,
    };
    let in_file = user
        .token_file
        .take()
        .map(|path| token_file(Path::new(&path)));
    user.token = match (in_file, inline) {
        (Some(Ok(Some(token))), _) => Some(token),
        (_, Some(inline)) => Some(inline),
        (Some(in_file), None) => in_file?,
        (None, None) => None,
    };
    Ok(user)
}

/// Whether a path was given: of an empty one, kube makes the kubeconfig's
/// directory.
pub(super) fn names_a_file(path: &str) -> bool {
    !path.is_empty() && !path.ends_with('/')
}

/// Base64 without the line ends that `base64` puts into it.
pub(super) fn unwrapped(base64: &str) -> String {
    base64.split_ascii_whitespace().collect()
}

/// The token in a file, or `None` if it is empty.
pub(super) fn token_file(path: &Path) -> Result<Option<SecretString>, TokenError> {
    let read = regular_file::read(path, LARGEST_CONFIG).map(SecretSlice::from);
    let bytes = read.map_err(|source| TokenError::Read {
        path: path.to_owned(),
        source,
    })?;
    let text = std::str::from_utf8(bytes.expose_secret()).map_err(|_| TokenError::Text)?;
    bearer(text)
}

/// A token as it goes into the `Authorization` header, or `None` if there is
/// nothing but white space.
pub(super) fn bearer(text: &str) -> Result<Option<SecretString>, TokenError> {
    let text = text.trim();
    HeaderValue::try_from(text).map_err(|_| TokenError::Text)?;
    Ok((!text.is_empty()).then(|| SecretString::from(text)))
}
