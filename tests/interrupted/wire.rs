//! A proxy before a registry that hands on whole requests only, as nginx does, and counts what of
//! uploads it hands on. It can keep a request back for good.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The proxy. Its threads end with the test.
pub(crate) struct Wire {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    upstream: u16,
    /// Bytes of uploads that were handed on.
    sent: AtomicU64,
    /// Requests with such bytes that are yet to be handed on before one is kept back.
    room: AtomicUsize,
    kept_back: AtomicBool,
    lines: Mutex<Vec<String>>,
}

impl Wire {
    /// In front of the registry at the port `upstream`.
    pub(crate) fn to(upstream: u16) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let room = AtomicUsize::new(usize::MAX);
        let state = Arc::new(State { upstream, room, ..State::default() });
        let shared = state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let state = shared.clone();
                // A connection that breaks is what this is for.
                std::thread::spawn(move || drop(state.serve(client)));
            }
        });
        Wire { port, state }
    }

    /// `127.0.0.1:<port>`
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Bytes of uploads since this was asked the last time.
    pub(crate) fn sent(&self) -> u64 {
        self.state.sent.swap(0, Ordering::SeqCst)
    }

    /// Hands on so many requests with bytes of uploads; the one after is kept back.
    pub(crate) fn hand_on(&self, count: usize) {
        self.state.room.store(count, Ordering::SeqCst);
        self.state.kept_back.store(false, Ordering::SeqCst);
    }

    /// Waits until a request is kept back.
    pub(crate) fn wait(&self) {
        let start = Instant::now();
        while !self.state.kept_back.load(Ordering::SeqCst) {
            assert!(start.elapsed() < Duration::from_secs(50), "nothing comes");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The first lines of all requests.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.state.lines.lock().unwrap().clone()
    }
}

impl State {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let mut first = [0];
        // A greeting in TLS: this registry speaks none.
        if client.peek(&mut first)? == 0 || first[0] == 0x16 {
            return Ok(());
        }
        let head = head(&mut client)?;
        if head.to_ascii_lowercase().contains("\r\nexpect:") {
            client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let length = field(&head, "content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        client.read_exact(&mut body)?;
        let line = head.lines().next().unwrap_or_default().to_owned();
        let is_upload = line.starts_with("PATCH") && !body.is_empty();
        self.lines.lock().unwrap().push(line);
        if is_upload && !self.may_pass() {
            self.kept_back.store(true, Ordering::SeqCst);
            return client.read(&mut first).map(drop);
        }
        let mut upstream = TcpStream::connect(("127.0.0.1", self.upstream))?;
        let kept = head.trim_end().lines().filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !name.eq_ignore_ascii_case("expect") && !name.eq_ignore_ascii_case("connection")
        });
        let head: String = kept.map(|line| format!("{line}\r\n")).collect();
        upstream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes())?;
        upstream.write_all(&body)?;
        if is_upload {
            self.sent.fetch_add(length as u64, Ordering::SeqCst);
        }
        io::copy(&mut upstream, &mut client).map(drop)
    }

    fn may_pass(&self) -> bool {
        let less = |room: usize| room.checked_sub(1);
        self.room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }
}

fn head(from: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, it)| it.trim()).next()
}
