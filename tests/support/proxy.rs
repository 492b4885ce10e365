//! A proxy that does what networks and registries do on bad days.
//!
//! One request a connection. A rule that fits a request spoils it; whatever no rule is about goes
//! to the registry behind.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What is done to a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// It is answered with this status line and these headers (each ends in `\r\n`), and no body.
    Answer(&'static str),
    /// The connection is cut after so many bytes of the answer's body.
    CutAnswer(usize),
    /// The connection is cut after so many bytes of the request's body went on.
    CutRequest(usize),
    /// The answer's body has one bit turned, in the byte at this place.
    Flip(usize),
    /// Nothing more comes after so many bytes of the answer's body.
    Stall(usize),
    /// The answer's body comes byte by byte.
    Crawl,
}

/// Which requests are spoilt, and how often.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    method: &'static str,
    path: String,
    times: usize,
    fault: Fault,
}

/// Every request that begins with `method` and whose path holds `path`.
pub(crate) fn always(method: &'static str, path: impl Into<String>, fault: Fault) -> Rule {
    times(usize::MAX, method, path, fault)
}

/// The first few of them.
pub(crate) fn times(
    times: usize,
    method: &'static str,
    path: impl Into<String>,
    fault: Fault,
) -> Rule {
    Rule { method, path: path.into(), times, fault }
}

/// The proxy. Its threads end with the test.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
}

struct State {
    upstream: u16,
    rules: Mutex<Vec<Rule>>,
    heads: Mutex<Vec<String>>,
}

impl Proxy {
    /// A proxy in front of the registry at the port `upstream`.
    pub(crate) fn start(upstream: u16, rules: Vec<Rule>) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (rules, heads) = (Mutex::new(rules), Mutex::default());
        let state = Arc::new(State { upstream, rules, heads });
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = shared.clone();
                // A connection that breaks is what this is for.
                std::thread::spawn(move || drop(state.serve(client)));
            }
        });
        Proxy { port, state }
    }

    /// `127.0.0.1:<port>`
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.state.heads.lock().unwrap().clone()
    }

    /// From now on nothing is spoilt.
    pub(crate) fn heal(&self) {
        self.state.rules.lock().unwrap().clear();
    }
}

impl State {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        // A greeting in TLS: this registry speaks none.
        if client.peek(&mut [0])? == 0 || peeked(&client)? == 0x16 {
            return Ok(());
        }
        let head = read_head(&mut client)?;
        self.heads.lock().unwrap().push(head.clone());
        let fault = self.fault(&head);
        if let Some(Fault::Answer(answer)) = fault {
            let text = format!("HTTP/1.1 {answer}content-length: 0\r\nconnection: close\r\n\r\n");
            client.write_all(text.as_bytes())?;
            client.shutdown(Shutdown::Write)?;
            // The rest of the request is taken, or the client would not hear the answer.
            return io::copy(&mut client, &mut io::sink()).map(drop);
        }
        let mut upstream = TcpStream::connect(("127.0.0.1", self.upstream))?;
        upstream.write_all(with_close(&head).as_bytes())?;
        let length = content_length(&head);
        if let Some(Fault::CutRequest(count)) = fault {
            return copy(&mut client, &mut upstream, length.min(count as u64));
        }
        copy(&mut client, &mut upstream, length)?;
        let answer = read_head(&mut upstream)?;
        client.write_all(answer.as_bytes())?;
        spoil(fault, &mut upstream, &mut client)
    }

    fn fault(&self, head: &str) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let path = head.split(' ').nth(1).unwrap_or_default();
        let fits = |rule: &&mut Rule| {
            rule.times > 0 && head.starts_with(rule.method) && path.contains(&rule.path)
        };
        let rule = rules.iter_mut().find(fits)?;
        rule.times -= 1;
        Some(rule.fault)
    }
}

/// Passes the body of an answer on, as far as the fault allows.
fn spoil(fault: Option<Fault>, from: &mut TcpStream, to: &mut TcpStream) -> io::Result<()> {
    match fault {
        Some(Fault::CutAnswer(count)) => copy(from, to, count as u64),
        Some(Fault::Flip(place)) => {
            copy(from, to, place as u64)?;
            let mut byte = [0];
            from.read_exact(&mut byte)?;
            to.write_all(&[byte[0] ^ 1])?;
            copy(from, to, u64::MAX)
        }
        Some(Fault::Stall(count)) => {
            copy(from, to, count as u64)?;
            // Until the client has had enough.
            to.read(&mut [0]).map(drop)
        }
        Some(Fault::Crawl) => {
            let mut byte = [0];
            while from.read(&mut byte)? > 0 {
                to.write_all(&byte)?;
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        }
        _ => copy(from, to, u64::MAX),
    }
}

fn peeked(client: &TcpStream) -> io::Result<u8> {
    let mut first = [0];
    client.peek(&mut first).map(|_| first[0])
}

fn copy(from: &mut TcpStream, to: &mut TcpStream, count: u64) -> io::Result<()> {
    io::copy(&mut from.take(count), to).map(drop)
}

/// Everything up to the empty line.
fn read_head(from: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn with_close(head: &str) -> String {
    format!("{}\r\nconnection: close\r\n\r\n", head.trim_end())
}

fn content_length(head: &str) -> u64 {
    let mut lengths = head.lines().filter_map(|line| line.split_once(':'));
    let length = lengths.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    length.map_or(0, |(_, value)| value.trim().parse().unwrap())
}
