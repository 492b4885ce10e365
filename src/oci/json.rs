//! Strict JSON: what two parsers could read in two ways is refused.
//!
//! Withstands: duplicate keys (each parser picks another one), deep nesting (stack), trailing
//! bytes, a byte-order mark, invalid UTF-8. The caller caps the size.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// How deep arrays and objects may nest.
pub const MAX_DEPTH: usize = 64;

/// Reads `bytes` as one `T`; refuses duplicate keys at any depth, known to `T` or not.
///
/// # Errors
/// serde_json's error, with line and column.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let mut scan = serde_json::Deserializer::from_slice(bytes);
    Strict { depth: 0 }.deserialize(&mut scan)?;
    scan.end()?;
    serde_json::from_slice(bytes)
}

/// Walks any value and keeps nothing but the keys of the objects that are open.
struct Strict {
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Strict {
    fn deeper<E: serde::de::Error>(&self) -> Result<Strict, E> {
        match self.depth + 1 {
            depth if depth <= MAX_DEPTH => Ok(Strict { depth }),
            _ => Err(E::custom(format!("nested deeper than {MAX_DEPTH}"))),
        }
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.deeper()?)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            entries.next_value_seed(self.deeper()?)?;
            if let Some(twice) = seen.replace(key) {
                let key: String = twice.chars().take(100).collect();
                return Err(serde::de::Error::custom(format!("duplicate key {key:?}")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn reads_what_has_one_meaning() {
        let value: Value = parse(br#"{"a":[1,-2,3.5,null,true,"x",{"a":{}}]}"#).unwrap();
        assert_eq!(value["a"][5], "x");
    }

    #[test]
    fn refuses_what_has_two() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"x":{"b":1,"c":2,"b":3}}]"#,
            r#"{} {}"#,
            "\u{feff}{}",
            "",
        ] {
            assert!(parse::<Value>(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse::<Value>(b"\"\xff\"").is_err());
    }

    #[test]
    fn refuses_depth() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse::<Value>(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(parse::<Value>(nested(MAX_DEPTH + 1).as_bytes()).is_err());
        assert!(parse::<Value>("[".repeat(1_000_000).as_bytes()).is_err());
    }
}
