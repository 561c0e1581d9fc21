//! The file that holds identities, and what people take for one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{Identity, IdentityError};
use crate::core::yaml;

/// A key file's lines, good and bad apart.
#[derive(Debug, Default)]
pub struct KeyFile {
    /// The identities, in order.
    pub identities: Vec<Identity>,
    /// Line numbers (from 1) that hold no identity, and why. Of a file that is something
    /// else as a whole, its first line alone.
    pub bad_lines: Vec<(usize, IdentityError)>,
}

impl KeyFile {
    /// Reads what `age-keygen` writes. Bytes that are not UTF-8 make a bad line.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut file = Self::default();
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = std::str::from_utf8(line)
                .map(str::trim)
                .unwrap_or("\u{fffd}");
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.parse() {
                Ok(identity) => file.identities.push(identity),
                Err(error) => file.bad_lines.push((number + 1, error)),
            }
        }
        if file.identities.is_empty()
            && let Some((first, _)) = file.bad_lines.first()
            && let Some(other) = other_file(bytes)
        {
            file.bad_lines = vec![(*first, other)];
        }
        file
    }

    /// Reads what a person pipes in: as [`Self::parse`], and in any encoding that its byte
    /// order mark tells, as PowerShell writes it.
    pub fn parse_typed(bytes: &[u8]) -> Self {
        let Ok(decoded) = yaml::decode(bytes) else {
            return Self::parse(bytes);
        };
        let text = Zeroizing::new(decoded.text.into_owned());
        Self::parse(text.trim_start_matches('\u{feff}').as_bytes())
    }
}

/// What a file without an identity is, if it is plain to see.
fn other_file(bytes: &[u8]) -> Option<IdentityError> {
    const MARKS: [&[u8]; 3] = [b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"];
    const BEGINNINGS: [(&str, IdentityError); 6] = [
        ("-----BEGIN AGE ENCRYPTED FILE", IdentityError::Encrypted),
        ("age-encryption.org/", IdentityError::Encrypted),
        ("-----BEGIN PGP ", IdentityError::Pgp),
        ("-----BEGIN ", IdentityError::Ssh),
        ("apiVersion:", IdentityError::Manifest),
        ("kind:", IdentityError::Manifest),
    ];
    if MARKS.iter().any(|mark| bytes.starts_with(mark)) {
        return Some(IdentityError::ByteOrderMark);
    }
    let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    let lines = || text.lines().map(str::trim);
    let is_meant = |line: &&str| !line.is_empty() && !line.starts_with('#') && *line != "---";
    let first = lines().find(is_meant).unwrap_or_default();
    let found = BEGINNINGS.into_iter();
    let mut found = found.filter(|(beginning, _)| first.starts_with(beginning));
    if let Some((_, error)) = found.next() {
        return Some(error);
    }
    let names_kind = |line: &str| {
        let key = line.trim_start_matches(['{', '"', ' ']);
        key.starts_with("apiVersion") || key.starts_with("kind")
    };
    if lines().any(names_kind) {
        return Some(IdentityError::Manifest);
    }
    let letters = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    let letters = Zeroizing::new(letters.collect::<Vec<u8>>());
    let decoded = Zeroizing::new(STANDARD.decode(&letters).ok()?);
    let inner = KeyFile::parse(&decoded);
    if !inner.identities.is_empty() {
        return Some(IdentityError::Base64);
    }
    let found = inner.bad_lines.first().map(|(_, error)| *error);
    found.filter(|error| matches!(error, IdentityError::Encrypted | IdentityError::Base64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_keeps_good_lines_beside_bad_ones() {
        let (good, _) = Identity::generate();
        let text = format!(
            "# created: today\r\n\n{}\r\nage1abc\nAGE-SECRET-KEY-1SHORT\n\u{0}\nAGE-PLUGIN-X-1\n",
            good.key().expose()
        );
        let file = KeyFile::parse(text.as_bytes());
        assert_eq!(file.identities.len(), 1);
        assert_eq!(file.identities[0].recipient(), good.recipient());
        assert_eq!(
            file.bad_lines,
            [
                (4, IdentityError::PublicKey),
                (5, IdentityError::Damaged),
                (6, IdentityError::Unknown),
                (7, IdentityError::Plugin),
            ]
        );
        assert_eq!(KeyFile::parse(b"\xff\xfe").bad_lines.len(), 1);
    }

    #[test]
    fn what_is_taken_for_a_key_file_is_called_by_its_name() {
        let key = Identity::generate().0;
        let key = key.key().expose();
        let wide: Vec<u8> = key.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let wide = [&b"\xff\xfe"[..], &wide].concat();
        let base64 = STANDARD.encode(format!("# created: x\n{key}\n"));
        let armored =
            "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n";
        for (bytes, error) in [
            (armored.as_bytes(), IdentityError::Encrypted),
            (
                b"\n# x\nage-encryption.org/v1\n-> scrypt\n\xff",
                IdentityError::Encrypted,
            ),
            (
                STANDARD.encode(armored).as_bytes(),
                IdentityError::Encrypted,
            ),
            (
                b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n",
                IdentityError::Ssh,
            ),
            (b"ssh-ed25519 AAAA dev@example.org\n", IdentityError::Ssh),
            (
                b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
                IdentityError::Pgp,
            ),
            (b"---\nkind: Secret\ndata: {}\n", IdentityError::Manifest),
            (b"{\n  \"apiVersion\": \"v1\"}", IdentityError::Manifest),
            (base64.as_bytes(), IdentityError::Base64),
            (
                format!("{}\n{}", &base64[..9], &base64[9..]).as_bytes(),
                IdentityError::Base64,
            ),
            (STANDARD.encode(&base64).as_bytes(), IdentityError::Base64),
            (&wide, IdentityError::ByteOrderMark),
            (
                format!("\u{feff}{key}").as_bytes(),
                IdentityError::ByteOrderMark,
            ),
            (b"hunter2", IdentityError::Unknown),
        ] {
            let file = KeyFile::parse(bytes);
            let shown = String::from_utf8_lossy(bytes);
            assert!(file.identities.is_empty(), "{shown}");
            let errors: Vec<_> = file.bad_lines.iter().map(|(_, error)| *error).collect();
            assert_eq!(errors, [error], "{shown}");
        }
        let marked = format!("\u{feff}{key}\r\n");
        for bytes in [&wide, marked.as_bytes()] {
            assert_eq!(KeyFile::parse_typed(bytes).identities.len(), 1);
        }
    }
}
