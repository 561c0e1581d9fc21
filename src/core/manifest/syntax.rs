//! What names, keys and labels must look like (`k8s.io/apimachinery/pkg/util/validation`).

/// The longest subdomain, and the longest key in `data`.
const LONGEST_SUBDOMAIN: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Whether it is a subdomain as in RFC 1123.
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= LONGEST_SUBDOMAIN && text.split('.').all(has_form_of_label)
}

/// Whether it is a label as in RFC 1123.
pub(super) fn is_label(text: &str) -> bool {
    text.len() <= LONGEST_LABEL && has_form_of_label(text)
}

/// Whether it is a beginning that a valid name can be generated from.
pub(super) fn is_beginning_of_subdomain(text: &str) -> bool {
    // As the API server masks a dash at the end, and the byte before it.
    match text.strip_suffix('-') {
        Some(rest) if text.is_ascii() && !rest.is_empty() => {
            is_subdomain(&format!("{}a", &rest[..rest.len() - 1]))
        }
        _ => is_subdomain(text),
    }
}

/// Whether it is a name with or without a subdomain in front, as in `example.org/name`.
pub(super) fn is_qualified_name(text: &str) -> bool {
    let is_name = |name: &str| name.len() <= LONGEST_LABEL && has_form_of_name(name);
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name(name),
        None => is_name(text),
    }
}

/// Whether a label can have this value.
pub(super) fn is_label_value(text: &str) -> bool {
    text.is_empty() || text.len() <= LONGEST_LABEL && has_form_of_name(text)
}

/// Whether it can be a key in `data`.
pub(super) fn is_data_key(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_whole = (1..=LONGEST_SUBDOMAIN).contains(&text.len()) && text.bytes().all(is_part);
    is_whole && text != "." && !text.starts_with("..")
}

fn has_form_of_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    is_enclosed(text, is_inner, |byte| byte == b'-')
}

fn has_form_of_name(text: &str) -> bool {
    is_enclosed(
        text,
        |byte| byte.is_ascii_alphanumeric(),
        |byte| b"-_.".contains(&byte),
    )
}

/// Whether it begins and ends with such bytes, with them and others in between.
fn is_enclosed(text: &str, is_outer: impl Fn(u8) -> bool, is_inner: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter()
        .all(|end| end.is_some_and(|byte| is_outer(*byte)))
        && bytes.iter().all(|byte| is_outer(*byte) || is_inner(*byte))
}
