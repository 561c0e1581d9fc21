//! What is wrong with the encrypted file that sops made of a text.

use std::borrow::Cow;
use std::path::Path;

use super::place::Locations;
use super::typed::of_secrets;
use super::{Problem, TextFault, documents, text_of};
use crate::core::encrypted::inspect::{
    Cause, Inspected, PlainValue, Protection, inspect, protection,
};
use crate::core::encrypted::{EncryptedFile, Format};
use crate::core::manifest::secret::TextOrigin;

/// What is wrong with the encrypted file that sops made of the text `typed`: what `check`
/// would find in it and not in `before`, the file until now, and what the cluster refuses.
pub(in crate::core::edit) fn problem_of_encrypted(
    format: Format,
    typed: &[u8],
    encrypted: &[u8],
    before: Option<&[u8]>,
) -> Option<Problem> {
    let encrypted_text = text_in(encrypted);
    let Some(file) = File::read(format, &encrypted_text) else {
        return Some(Problem::new("kb cannot tell what sops would encrypt of it"));
    };
    let before_text = before.map(text_in);
    let before = before_text
        .as_deref()
        .and_then(|text| File::read(format, text));
    let text = text_of(typed);
    let mut typed = Typed {
        places: Locations::of(format, &text),
        documents: inspect(format, &text).unwrap_or_default(),
        text: &text,
    };
    typed.drop_empty_documents();
    let mut findings = file.plain_values(before.as_ref(), &typed);
    if findings.is_empty() && file.protection.encrypts_nothing {
        return Some(Problem::new(
            "nothing in it would be encrypted: the rule (encrypted_regex and its like) selects no key of it. Change the rule in .sops.yaml, or write the values where it selects them",
        ));
    }
    findings.extend(file.encrypted_head(before.as_ref(), &typed));
    findings.extend(file.not_texts(&typed));
    let documents = documents(format, encrypted).unwrap_or_default();
    let places = &typed.places;
    findings.extend(of_secrets(
        &documents,
        &file.documents,
        places,
        TextOrigin::Encrypted,
    ));
    Problem::of(findings)
}

fn text_in(encrypted: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(encrypted)
}

/// The text that an encrypted file was made of.
struct Typed<'t> {
    text: &'t str,
    documents: Vec<Inspected<'t>>,
    places: Locations<'t>,
}

impl Typed<'_> {
    /// Of these the encrypted file has none.
    fn drop_empty_documents(&mut self) {
        let is_empty = self.places.drop_empty_documents();
        let mut is_empty = is_empty.into_iter();
        self.documents.retain(|_| !is_empty.next().unwrap_or(false));
    }

    /// Line and column, from 1, of the value of this number in a document that sops made.
    fn place_of_value(
        &self,
        number: usize,
        document: &Inspected<'_>,
        value: usize,
    ) -> Option<(u64, u64)> {
        let leaf = document.values.get(value)?;
        let secret = leaf
            .secret
            .as_ref()
            .and_then(|it| document.secrets.get(it.secret));
        let items = secret.map_or(&[][..], |secret| &secret.items);
        let keys = leaf.keys.iter().skip(items.len()).map(String::as_str);
        self.places.find(number, items, keys)
    }

    /// Line and column, from 1, of the first comment with this key.
    fn place_of_comment(&self, number: usize, key: &str) -> Option<(u64, u64)> {
        let mut comments = self.documents.get(number)?.comments.iter();
        let before = self.text.get(..comments.find(|it| it.key == key)?.start)?;
        let line = before.rsplit('\n').next().unwrap_or_default();
        let column = line.chars().count() as u64;
        Some((before.matches('\n').count() as u64 + 1, column.max(1)))
    }
}

/// An encrypted file, as `check` sees it.
struct File<'t> {
    documents: Vec<Inspected<'t>>,
    protection: Protection,
}

impl<'t> File<'t> {
    fn read(format: Format, text: &'t str) -> Option<Self> {
        let file = EncryptedFile::parse_as(format, Path::new(""), text.as_bytes()).ok()?;
        let documents = inspect(format, text).ok()?;
        Some(Self {
            protection: protection(&documents, &file.metadata.selection),
            documents,
        })
    }

    /// The values that would be in plaintext and were not before; where nothing is
    /// encrypted, all of them.
    fn plain_values(&self, before: Option<&Self>, typed: &Typed<'_>) -> Vec<TextFault> {
        let before = before.filter(|_| !self.protection.encrypts_nothing);
        let before = before
            .into_iter()
            .flat_map(|it| &it.protection.plain_values);
        let mut before: Vec<&PlainValue> = before.collect();
        let mut findings = Vec::new();
        for value in &self.protection.plain_values {
            let is_same = |old: &&PlainValue| old.name == value.name && old.cause == value.cause;
            // Each stands for one of the same name.
            if let Some(at) = before.iter().position(is_same) {
                before.swap_remove(at);
                continue;
            }
            let Some(document) = self.documents.get(value.document) else {
                continue;
            };
            let place = match value.cause {
                Cause::Comment => {
                    let comment = document.comments.get(value.number);
                    comment.and_then(|it| typed.place_of_comment(value.document, &it.key))
                }
                _ => typed.place_of_value(value.document, document, value.number),
            };
            findings.push(TextFault {
                place,
                words: words_of(value),
            });
        }
        findings
    }

    /// A field by which a Secret is applied, if it would be encrypted and was not before.
    fn encrypted_head(&self, before: Option<&Self>, typed: &Typed<'_>) -> Option<TextFault> {
        let head = |file: &Self| file.documents.iter().find_map(Inspected::encrypted_head);
        let has_secret = typed
            .documents
            .iter()
            .any(|document| !document.secrets.is_empty());
        let field = head(self).filter(|_| has_secret && before.and_then(head).is_none())?;
        Some(TextFault {
            place: None,
            words: format!(
                "{field} of the Secret would be encrypted, and the cluster could not read it: write encrypted_regex: ^(data|stringData)$ into the rule in .sops.yaml"
            ),
        })
    }

    /// Values of Secrets that sops does not read as text.
    fn not_texts(&self, typed: &Typed<'_>) -> Vec<TextFault> {
        let mut findings = Vec::new();
        for (index, document) in self.documents.iter().enumerate() {
            for (number, leaf) in document.values.iter().enumerate() {
                if let Some((secret, kind)) = leaf.secret.as_ref().zip(leaf.not_text()) {
                    findings.push(TextFault {
                        place: typed.place_of_value(index, document, number),
                        words: format!("{} is read as {kind}: put it in quotes", secret.name),
                    });
                }
            }
        }
        findings
    }
}

fn words_of(value: &PlainValue) -> String {
    let name = &value.name;
    match value.cause {
        Cause::Rule | Cause::TypedIn => format!(
            "{name} would stay in plaintext: the rule (encrypted_regex and its like) does not select it"
        ),
        Cause::LastApplied => {
            format!("{name} repeats the values, and would stay in plaintext: delete it")
        }
        Cause::Comment => format!(
            "a comment would stay in plaintext that looks like a value: in {name} delete the #, indent it as the values are, or delete it"
        ),
        Cause::Metadata => {
            format!("{name} is not a field of sops, and would stay in plaintext: delete it")
        }
        Cause::Malformed => {
            format!("{name} looks like an encrypted value, and is not one: write the value itself")
        }
        Cause::Misplaced => format!(
            "{name} is an encrypted value where nothing is decrypted: write the value itself"
        ),
    }
}
