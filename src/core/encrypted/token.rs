//! One encrypted value, `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`.
//!
//! AES-256 in Galois/Counter Mode (NIST SP 800-38D) with sops's nonce of 32 bytes, as
//! sops 3.13 does it (`aes/cipher.go`). The additional data is the way to the value.

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::ENCRYPTED_VALUE;
use crate::core::data_key::DataKey;
use crate::core::yaml::scalar::is_time;

/// The length of a nonce, in bytes.
pub(super) const NONCE: usize = 32;
/// The length of an authentication tag, in bytes.
const TAG: usize = 16;

/// An encrypted value, taken apart.
pub(super) struct Token {
    nonce: [u8; NONCE],
    /// With the authentication tag behind it.
    sealed: Vec<u8>,
    /// What the plaintext is.
    pub(super) kind: ValueType,
}

/// What an encrypted value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueType {
    Text,
    Bytes,
    Integer,
    Float,
    Boolean,
    Time,
    Comment,
}

/// How they are written.
const KINDS: [(ValueType, &str); 7] = [
    (ValueType::Text, "str"),
    (ValueType::Bytes, "bytes"),
    (ValueType::Integer, "int"),
    (ValueType::Float, "float"),
    (ValueType::Boolean, "bool"),
    (ValueType::Time, "time"),
    (ValueType::Comment, "comment"),
];

impl Token {
    /// What the plaintext of an encrypted value is; `None` of any other text.
    pub(super) fn kind_of(text: &str) -> Option<ValueType> {
        Self::parse(text).map(|token| token.kind)
    }

    /// A text that is nothing but an encrypted value, as sops writes it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let fields = text.strip_prefix(ENCRYPTED_VALUE)?.strip_suffix(']')?;
        let mut fields = fields.split(',');
        let mut field = |name| fields.next()?.strip_prefix(name);
        let decoded = |text: Option<&str>| STANDARD.decode(text?).ok();
        let mut sealed = decoded(field("data:"))?;
        let nonce = decoded(field("iv:"))?.try_into().ok()?;
        let tag = decoded(field("tag:"))?;
        let kind = ValueType::parse(field("type:")?)?;
        // An empty text is never encrypted.
        if fields.next().is_some() || sealed.is_empty() || tag.len() != TAG {
            return None;
        }
        sealed.extend(tag);
        Some(Self {
            nonce,
            sealed,
            kind,
        })
    }
}

impl Token {
    /// The length of what is encrypted, in bytes.
    pub(super) fn length(&self) -> usize {
        self.sealed.len()
    }
}

impl ValueType {
    fn parse(text: &str) -> Option<Self> {
        let found = KINDS.iter().find(|(_, written)| *written == text);
        found.map(|(kind, _)| *kind)
    }

    fn written(self) -> &'static str {
        let found = KINDS.iter().find(|(kind, _)| *kind == self);
        found.map_or("", |(_, written)| written)
    }

    /// Whether sops reads a plaintext as this, and would write it so again.
    pub(super) fn fits(self, plaintext: &[u8]) -> bool {
        let written = |text: String| Zeroizing::new(text).as_bytes() == plaintext;
        let Ok(text) = str::from_utf8(plaintext) else {
            return matches!(self, Self::Text | Self::Bytes | Self::Comment);
        };
        match self {
            Self::Text | Self::Bytes | Self::Comment => true,
            Self::Integer => text.parse().is_ok_and(|it: i64| written(it.to_string())),
            Self::Float => text
                .parse()
                .is_ok_and(|it: f64| it.is_finite() && written(it.to_string())),
            Self::Boolean => matches!(text, "True" | "False"),
            Self::Time => is_time(text, true),
        }
    }
}

/// A data key, made ready for the values of a file.
pub(super) struct Cipher(Box<AesGcm<Aes256, U32>>);

impl Cipher {
    pub(super) fn new(key: &DataKey) -> Self {
        Self(Box::new(AesGcm::new(key.expose().into())))
    }

    /// The plaintext, if the token is authentic for the additional data.
    pub(super) fn open(&self, token: &Token, additional_data: &str) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload {
            msg: &token.sealed,
            aad: additional_data.as_bytes(),
        };
        let opened = self.0.decrypt(&Nonce::from(token.nonce), payload);
        opened.ok().map(Zeroizing::new)
    }

    /// The plaintext, encrypted. The nonce must be a fresh one.
    pub(super) fn seal(
        &self,
        kind: ValueType,
        plaintext: &[u8],
        additional_data: &str,
        nonce: [u8; NONCE],
    ) -> Option<String> {
        let payload = Payload {
            msg: plaintext,
            aad: additional_data.as_bytes(),
        };
        let sealed = self.0.encrypt(&Nonce::from(nonce), payload).ok()?;
        let (data, tag) = sealed.split_at(plaintext.len());
        Some(format!(
            "{ENCRYPTED_VALUE}data:{},iv:{},tag:{},type:{}]",
            STANDARD.encode(data),
            STANDARD.encode(nonce),
            STANDARD.encode(tag),
            kind.written()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_sops_writes_is_an_encrypted_value() {
        let (nonce, tag) = (STANDARD.encode([1; NONCE]), STANDARD.encode([2; TAG]));
        let good = format!("ENC[AES256_GCM,data:YQ==,iv:{nonce},tag:{tag},type:str]");
        assert!(Token::parse(&good).is_some());
        for bad in [
            good.replace("data:YQ==", "data:"),
            good.replace("data:YQ==", "data:Y"),
            good.replace(&nonce, "aXY="),
            good.replace(&tag, "dGFn"),
            good.replace(",type:str", ""),
            good.replace("type:str", "type:text"),
            good.replace("type:str", "type:str,x:y"),
            format!("{good} "),
            format!("{good}{good}"),
            good[1..].to_owned(),
        ] {
            assert!(Token::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_plaintext_must_be_what_its_type_says() {
        for (kind, good, bad) in [
            (ValueType::Integer, "-7", "007"),
            (ValueType::Float, "1.5", "1.50"),
            (ValueType::Boolean, "True", "true"),
            (ValueType::Time, "2026-11-22T10:00:00+01:00", "yesterday"),
        ] {
            assert!(kind.fits(good.as_bytes()), "{kind:?} {good}");
            assert!(!kind.fits(bad.as_bytes()), "{kind:?} {bad}");
        }
        assert!(ValueType::Text.fits(&[0xff]));
    }
}
