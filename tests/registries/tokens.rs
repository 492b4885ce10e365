//! A token server, as registries with tokens have one: Basic authentication in, a signed JWT out.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::support::{PASSWORD, USER};

/// docker-registry takes a token for so many seconds after its end.
const LEEWAY: i64 = 60;

/// Gives out tokens. Its thread ends with the test.
pub(crate) struct TokenServer {
    port: u16,
    signer: Arc<Mutex<Option<PathBuf>>>,
    /// The secrets that were given out.
    given: Arc<Mutex<Vec<String>>>,
}

impl TokenServer {
    /// A server whose tokens are good for `life` seconds, and said to be for much longer.
    pub(crate) fn start(life: i64) -> TokenServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = TokenServer { port, signer: Arc::default(), given: Arc::default() };
        let (signer, given) = (server.signer.clone(), server.given.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let signer = signer.lock().unwrap().clone().unwrap();
                let token = answer(&stream, &signer, life);
                given.lock().unwrap().extend(token);
            }
        });
        server
    }

    pub(crate) fn realm(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.port)
    }

    /// Where `tokens.key` and `tokens.pem` lie.
    pub(crate) fn sign_with(&self, directory: PathBuf) {
        *self.signer.lock().unwrap() = Some(directory);
    }

    /// The tokens so far.
    pub(crate) fn given(&self) -> Vec<String> {
        self.given.lock().unwrap().clone()
    }
}

/// Answers one request; the token that it was given.
fn answer(stream: &TcpStream, signer: &Path, life: i64) -> Option<String> {
    // A greeting in TLS: this server speaks none.
    let mut first = [0];
    if stream.peek(&mut first).ok()? == 0 || first[0] == 0x16 {
        return None;
    }
    let lines: Vec<String> = BufReader::new(stream)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let known = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let is_known = lines.iter().any(|line| line.ends_with(&known));
    let scopes = lines[0].split(['?', '&', ' ']).filter_map(|part| part.strip_prefix("scope="));
    let access: Vec<Value> = scopes.map(access).collect();
    let token = is_known.then(|| token(signer, life, &access));
    let (status, body) = match &token {
        Some(token) => ("200 OK", json!({"token": token, "expires_in": 300})),
        None => ("401 Unauthorized", json!({"details": "incorrect username or password"})),
    };
    let (body, mut stream) = (body.to_string(), stream);
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).ok();
    token
}

/// `repository:a/b:pull,push`, percent-encoded.
fn access(scope: &str) -> Value {
    let scope = scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
    let parts: Vec<&str> = scope.split(':').collect();
    let actions: Vec<&str> = parts[2].split(',').collect();
    json!({"type": parts[0], "name": parts[1], "actions": actions})
}

fn token(signer: &Path, life: i64, access: &[Value]) -> String {
    let pem = std::fs::read_to_string(signer.join("tokens.pem")).unwrap();
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [der]});
    let claims = json!({
        "iss": "test", "sub": USER, "aud": "test", "jti": now.to_string(), "access": access,
        "iat": now - LEEWAY, "nbf": now - LEEWAY, "exp": now - LEEWAY + life,
    });
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let mut openssl = Command::new("openssl")
        .current_dir(signer)
        .args(["dgst", "-sha256", "-sign", "tokens.key"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    openssl.stdin.take().unwrap().write_all(signed.as_bytes()).unwrap();
    let signature = openssl.wait_with_output().unwrap().stdout;
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
