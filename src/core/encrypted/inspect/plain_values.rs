//! The values in an encrypted file that are not encrypted, and those that nobody can use.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Commented, HEAD, Inspected, Leaf, SECTIONS, dotted, inspect, is_sensitive, secrets};
use crate::core::encrypted::contents::{Path, ScalarValue, Segment, Value};
use crate::core::encrypted::metadata::{folded, is_known_field};
use crate::core::encrypted::token::{Token, ValueType};
use crate::core::encrypted::{ENCRYPTED_VALUE, EncryptedFile};
use crate::core::sops_config::Selection;
use crate::core::yaml::scalar::is_time;

/// So many values are named: all of them can be much longer than the text.
const MOST_NAMED: usize = 1_000;

/// Blocks of PEM that everybody may read.
const PUBLIC_BLOCKS: [&str; 3] = ["CERTIFICATE", "PUBLIC KEY", "CERTIFICATE REQUEST"];
/// What sops takes a date for.
const DATE: &str = "a date";

/// A value that is not encrypted, in a file that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainValue {
    /// The keys that it stands behind, as in `data.password`.
    pub name: String,
    /// How it came there.
    pub cause: Cause,
    /// The number of its document.
    pub document: usize,
    /// Its number among the values of the document; of a comment or of metadata, among
    /// those.
    pub number: usize,
}

/// Why a value in an encrypted file is not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// sops would have encrypted it, by what the file itself says: someone has typed it
    /// in without sops.
    TypedIn,
    /// It is a value of a Secret, and the rule that the file was encrypted by is not for
    /// it.
    Rule,
    /// kubectl has put it into an annotation.
    LastApplied,
    /// It stands in a comment.
    Comment,
    /// It stands where sops keeps its own metadata.
    Metadata,
    /// It begins as an encrypted value does, and is none.
    Malformed,
    /// It is an encrypted value, and stands where sops decrypts nothing.
    Misplaced,
}

impl Cause {
    /// Whether it looks encrypted.
    pub fn looks_encrypted(self) -> bool {
        matches!(self, Self::Malformed | Self::Misplaced)
    }
}

/// How well an encrypted file protects what stands in it.
#[derive(Debug, Default)]
pub struct Protection {
    /// The values that should be encrypted, and are not.
    pub plain_values: Vec<PlainValue>,
    /// Values of Secrets that are numbers or truth values, which the API server refuses.
    pub not_texts: Vec<String>,
    /// Whether there are values, and none of them is encrypted.
    pub encrypts_nothing: bool,
}

impl Protection {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.plain_values.is_empty() && self.not_texts.is_empty() && !self.encrypts_nothing
    }
}

/// How well a file of these documents is protected that is encrypted by this selection.
pub fn protection(documents: &[Inspected<'_>], selection: &Selection) -> Protection {
    let mut found = Protection::default();
    for (index, document) in documents.iter().enumerate() {
        let values = document.values.iter().enumerate();
        let causes = values.filter_map(|(number, leaf)| {
            let cause = cause_of(leaf, selection)?;
            let name = match &leaf.secret {
                Some(secret) => secret.name.clone(),
                None => dotted(&leaf.keys()),
            };
            Some(PlainValue {
                name,
                cause,
                document: index,
                number,
            })
        });
        let left = MOST_NAMED.saturating_sub(found.plain_values.len());
        found.plain_values.extend(causes.take(left));
        let comments = document.comments.iter().enumerate();
        let comments = comments.filter(|(_, it)| document.holds_among_values(it, Some(selection)));
        found
            .plain_values
            .extend(comments.map(|(number, comment)| PlainValue {
                name: comment.name(),
                cause: Cause::Comment,
                document: index,
                number,
            }));
        let strays = document.strays.iter().enumerate();
        let own = strays.map(|(number, name)| PlainValue {
            name: name.clone(),
            cause: Cause::Metadata,
            document: index,
            number,
        });
        found.plain_values.extend(own);
        found
            .not_texts
            .extend(document.values.iter().filter_map(refused_type));
    }
    let mut all = documents.iter().flat_map(|document| &document.values);
    let is_encrypted = all.any(Leaf::is_encrypted);
    let mut all = documents.iter().flat_map(|document| &document.values);
    // Those of an object in a list have the same names.
    let first = |leaf: &Leaf<'_>| leaf.keys.iter().find(|key| *key != "items").cloned();
    let has_values = all.any(|leaf| !HEAD.contains(&&*first(leaf).unwrap_or_default()));
    found.encrypts_nothing = has_values && !is_encrypted;
    found
}

fn cause_of(leaf: &Leaf<'_>, selection: &Selection) -> Option<Cause> {
    let keys = leaf.keys();
    if leaf.is_encrypted() {
        let is_told = selection.is_by_keys();
        return (is_told && !selection.selects(&keys)).then_some(Cause::Misplaced);
    }
    if leaf.looks_encrypted() {
        return Some(Cause::Malformed);
    }
    if selection.surely_selects(&keys) {
        return Some(Cause::TypedIn);
    }
    let secret = leaf.secret.as_ref()?;
    // Those that a key's own ending leaves in plaintext are meant to be.
    let is_meant = keys.last().is_some_and(|key| key.ends_with("_unencrypted"));
    if is_meant || holds_encrypted_file(leaf) {
        return None;
    }
    // Nor does a certificate become a secret by the key beside it.
    if str::from_utf8(&leaf.decoded()).is_ok_and(|text| is_public_pem(text.trim())) {
        return None;
    }
    Some(if secret.name == secrets::LAST_APPLIED_NAME {
        Cause::LastApplied
    } else {
        Cause::Rule
    })
}

impl Inspected<'_> {
    /// The field of a manifest that Flux needs to apply it and that is encrypted, as in
    /// `metadata.name`.
    pub fn encrypted_head(&self) -> Option<String> {
        const NEEDED: [&[&str]; 4] = [
            &["apiVersion"],
            &["kind"],
            &["metadata", "name"],
            &["metadata", "namespace"],
        ];
        // Some other file may have a name in its metadata as well.
        let mut values = self.values.iter().filter(|_| self.is_manifest);
        let field = values.find_map(|leaf| {
            let in_lists = leaf.keys.iter().take_while(|key| *key == "items");
            let keys = &leaf.keys[in_lists.count()..];
            let field = NEEDED.iter().find(|field| keys == **field)?;
            leaf.is_encrypted().then_some(field)
        })?;
        Some(field.join("."))
    }

    /// Whether a comment stands beside a value of a Secret, or where one belongs; or, in a
    /// file that is encrypted by a `selection`, where sops would have encrypted it, if it is
    /// called like a secret.
    pub fn holds_among_values(&self, comment: &Commented, selection: Option<&Selection>) -> bool {
        let near = [comment.previous, comment.next].into_iter().flatten();
        let mut near = near.filter_map(|number| self.values.get(number));
        let is_section = |key: &String| SECTIONS.contains(&key.as_str());
        let is_named = is_sensitive(&comment.key);
        near.any(|leaf| {
            let keys = leaf.keys();
            let around = keys.split_last().map(|(_, around)| around);
            let is_selected = |selection: &Selection| {
                around.is_some_and(|around| selection.surely_selects(around))
            };
            let is_beside = is_named && leaf.is_encrypted();
            leaf.secret.is_some() || is_beside && selection.is_some_and(is_selected)
        }) || !self.secrets.is_empty()
            && (comment.opened_by.as_ref().is_some_and(is_section)
                || is_section(&comment.key)
                || self.is_value_of_secret(comment))
    }

    /// Whether a comment away from the values of a Secret reads as one of them.
    fn is_value_of_secret(&self, comment: &Commented) -> bool {
        let next = comment.behind.and_then(|number| self.values.get(number));
        let is_above = next.is_some_and(|leaf| leaf.secret.is_some());
        let is_entry = |leaf: &Leaf<'_>| {
            let is_entry = leaf.secret.as_ref().is_some_and(|secret| secret.is_entry);
            is_entry && leaf.keys.last() == Some(&comment.key)
        };
        // Further above are words about the file.
        comment.is_word && (is_sensitive(&comment.key) || self.values.iter().any(is_entry))
            || is_above && comment.is_indented && comment.previous.is_some()
    }
}

/// The name of a value that the API server refuses; a date it takes for a text.
fn refused_type(leaf: &Leaf<'_>) -> Option<String> {
    leaf.not_text().filter(|kind| *kind != DATE)?;
    leaf.secret.as_ref().map(|secret| secret.name.clone())
}

impl Leaf<'_> {
    /// What a value of a Secret is, if it is not a text for sops.
    pub fn not_text(&self) -> Option<&'static str> {
        self.secret.as_ref().filter(|secret| secret.is_entry)?;
        match self.token() {
            Some(ValueType::Integer | ValueType::Float) => Some("a number"),
            Some(ValueType::Boolean) => Some("true or false"),
            Some(ValueType::Time) => Some(DATE),
            Some(_) => None,
            None => (!self.is_text).then_some("a number, or true or false"),
        }
    }

    /// The text of an entry of `data`, decoded; of any other value as it is.
    pub fn decoded(&self) -> Vec<u8> {
        let is_data = self.secret.as_ref().is_some_and(|secret| secret.is_data);
        let text: String = self.text.split_whitespace().collect();
        let decoded = STANDARD.decode(text).ok().filter(|_| is_data);
        decoded.unwrap_or_else(|| self.text.as_bytes().to_vec())
    }
}

/// Whether a text holds public blocks of PEM, and nothing between them.
pub fn is_public_pem(text: &str) -> bool {
    let mut is_inside = false;
    let are_public = text.lines().map(str::trim).all(|line| {
        let label = |begin| {
            line.strip_prefix(begin)
                .and_then(|rest| rest.strip_suffix("-----"))
        };
        if let Some(label) = label("-----BEGIN ") {
            is_inside = true;
            return PUBLIC_BLOCKS.contains(&label);
        }
        if label("-----END ").is_some() {
            is_inside = false;
            return true;
        }
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        line.is_empty() || is_inside && line.chars().all(is_base64)
    });
    text.starts_with("-----BEGIN ") && are_public
}

/// Whether a value is a sops file, as a whole: Flux decrypts such ones in `data`.
pub fn holds_encrypted_file(leaf: &Leaf<'_>) -> bool {
    let content = leaf.decoded();
    if memchr::memmem::find(&content, ENCRYPTED_VALUE.as_bytes()).is_none() {
        return false;
    }
    let Ok(text) = str::from_utf8(&content) else {
        return false;
    };
    let path = std::path::Path::new("value");
    let Ok(file) = EncryptedFile::parse(path, &content) else {
        return false;
    };
    let Ok(documents) = inspect(file.format, text) else {
        return false;
    };
    protection(&documents, &file.metadata.selection).is_whole()
}

/// What of the metadata is not sops's: the names of values, as in `sops.token`.
pub(super) fn strays(metadata: &[Value<'_>]) -> Vec<String> {
    let strays = metadata.iter().filter(|value| {
        let text = value.scalar.text();
        let is_empty = matches!(value.scalar, ScalarValue::Null) || text.is_empty();
        // A file may have been encrypted twice.
        !is_empty && !is_of_sops(&value.path, text) && Token::kind_of(text).is_none()
    });
    let name = |value: &Value<'_>| match value.path.dotted() {
        path if path.is_empty() => "sops".to_owned(),
        path => dotted(&["sops", &path]),
    };
    strays.take(MOST_NAMED).map(name).collect()
}

fn is_of_sops(path: &Path, text: &str) -> bool {
    let keys: Vec<String> = path
        .0
        .iter()
        .filter_map(|step| match step {
            // What is merged stands there too.
            Segment::Key(key) if key != "<<" => Some(folded(key)),
            _ => None,
        })
        .collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    match keys.as_slice() {
        ["mac"] => Token::kind_of(text).is_some(),
        ["lastmodified"] => is_time(text, true),
        // An older sops writes what git says of the commit.
        ["version"] => text.len() <= 32 && text.starts_with(|c: char| c.is_ascii_digit()),
        keys => is_known_field(keys),
    }
}
