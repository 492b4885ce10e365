//! The text around OpenSSH's signatures and private keys.
//!
//! Withstands: text before or behind, missing or other first and last lines, lines of any length,
//! blank lines, carriage returns, base64 in a second form. The caller caps the size.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

/// The columns of a line as OpenSSH writes it.
const WRITTEN: usize = 70;
/// The most columns of a line that is read: other tools write 64 or 76.
const READ: usize = 76;

/// The bytes between `-----BEGIN <label>-----` and `-----END <label>-----`.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn decode(text: &[u8], label: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not text")?;
    let body = text
        .strip_prefix(&format!("-----BEGIN {label}-----\n"))
        .ok_or("its first line is another")?;
    let (body, behind) =
        body.split_once(&format!("-----END {label}-----")).ok_or("its last line is missing")?;
    if !matches!(behind, "" | "\n") {
        return Err("something stands behind its last line");
    }
    let mut digits = Zeroizing::new(String::with_capacity(body.len()));
    for line in body.strip_suffix('\n').ok_or("its last line is missing")?.split('\n') {
        if !(1..=READ).contains(&line.len()) {
            return Err("a line of it is empty or too long");
        }
        digits.push_str(line);
    }
    BASE64.decode(digits.as_bytes()).map(Zeroizing::new).map_err(|_| "it is not base64")
}

/// The text that OpenSSH writes.
pub(super) fn encode(bytes: &[u8], label: &str) -> String {
    let digits = BASE64.encode(bytes);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % WRITTEN == 0 {
            text.push('\n');
        }
        text.push(digit);
    }
    text + &format!("\n-----END {label}-----\n")
}
