//! What a value that is not encrypted goes into the MAC as.
//!
//! sops 3.13 hashes what its parsers made of it (`sops.go`, `ToBytes`), so a number
//! counts by its value. What is not plainly one thing or another is left to sops; if
//! kb is wrong, the MAC does not match, and sops has the last word as well.

use std::borrow::Cow;

use super::Unsupported;
use super::contents::ScalarValue;
use crate::core::yaml::scalar::{self, Resolved};

const TRUE: &str = "True";
const FALSE: &str = "False";

/// A scalar without quotes, as go-yaml 3 resolves it.
///
/// # Errors
/// [`Unsupported::Construct`] for numbers in other bases, dates, and the like.
pub(super) fn of_plain_yaml(text: Cow<'_, str>) -> Result<ScalarValue<'_>, Unsupported> {
    Ok(match scalar::resolve(&text) {
        _ if text == "<<" => return Err(Unsupported::Construct),
        Resolved::Null => ScalarValue::Null,
        Resolved::Boolean(true) => ScalarValue::Other(TRUE.to_owned()),
        Resolved::Boolean(false) => ScalarValue::Other(FALSE.to_owned()),
        Resolved::Integer(number) => ScalarValue::Other(number.to_string()),
        Resolved::Float(number) => ScalarValue::Other(number.to_string()),
        Resolved::Time(time) => ScalarValue::Other(time),
        Resolved::Unclear => return Err(Unsupported::Construct),
        Resolved::Text => ScalarValue::Text(text),
    })
}

/// A scalar that is tagged as a floating-point number.
///
/// # Errors
/// [`Unsupported::Construct`] where it is not written in decimal digits.
pub(super) fn of_tagged_float(text: &str) -> Result<ScalarValue<'static>, Unsupported> {
    match scalar::resolve(text) {
        Resolved::Integer(_) | Resolved::Float(_) => float(text),
        _ => Err(Unsupported::Construct),
    }
}

/// A value of JSON that is not a text.
///
/// # Errors
/// [`Unsupported::Construct`] for a number that is too large.
pub(super) fn of_bare_json(text: &str) -> Result<ScalarValue<'static>, Unsupported> {
    Ok(match text {
        "null" => ScalarValue::Null,
        "true" => ScalarValue::Other(TRUE.to_owned()),
        "false" => ScalarValue::Other(FALSE.to_owned()),
        number => match number.parse::<i64>() {
            Ok(integer) => ScalarValue::Other(integer.to_string()),
            Err(_) => return float(number),
        },
    })
}

/// A floating-point number, in as many digits as it needs, without an exponent.
fn float(text: &str) -> Result<ScalarValue<'static>, Unsupported> {
    let number = scalar::float(text).ok_or(Unsupported::Construct)?;
    Ok(ScalarValue::Other(number.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(scalar: Result<ScalarValue<'_>, Unsupported>) -> String {
        match scalar {
            Ok(ScalarValue::Null) => "null".to_owned(),
            Ok(ScalarValue::Text(text)) => format!("text {text}"),
            Ok(ScalarValue::Other(value)) => value,
            Err(_) => "unclear".to_owned(),
        }
    }

    /// What go-yaml 3.0.4 and strconv make of them.
    #[test]
    fn plain_scalars_go_into_the_mac_as_go_yaml_reads_them() {
        let yaml = |text: &str| hashed(of_plain_yaml(text.to_owned().into()));
        for (text, expected) in [
            ("~", "null"),
            ("True", "True"),
            ("yes", "text yes"),
            ("7", "7"),
            ("+7", "7"),
            ("-0", "0"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("1e3", "1000"),
            ("1.5e-7", "0.00000015"),
            ("10.0.0.1", "text 10.0.0.1"),
            ("3.9.4-rc1", "text 3.9.4-rc1"),
            ("-", "text -"),
            ("...", "text ..."),
            ("--flag", "text --flag"),
            ("1Gi", "text 1Gi"),
            ("007", "unclear"),
            ("0x1f", "unclear"),
            ("1_000", "unclear"),
            ("2026-11-22", "2026-11-22T00:00:00Z"),
            ("2026-11-22T10:00:00+01:00", "2026-11-22T10:00:00+01:00"),
            ("2026-11-22 10:00", "unclear"),
            ("2026-99-22", "unclear"),
            ("18446744073709551615", "unclear"),
            (".inf", "unclear"),
            ("1e999", "text 1e999"),
            ("2026-abc", "text 2026-abc"),
            ("555-1234", "unclear"),
        ] {
            assert_eq!(yaml(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_of_json_go_into_the_mac_by_their_value() {
        let json = |text| hashed(of_bare_json(text));
        for (text, expected) in [
            ("9007199254740993", "9007199254740993"),
            ("1.0", "1"),
            ("-0", "0"),
            ("-0.0", "-0"),
            ("1E2", "100"),
            ("1e999", "unclear"),
            ("null", "null"),
        ] {
            assert_eq!(json(text), expected, "{text}");
        }
    }
}
