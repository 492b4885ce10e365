//! A registry that does what the test says, and remembers what it was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    headers: HashMap<String, String>,
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// `GET /v2/…`
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

/// What happens after the bytes that are sent.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    GoOn,
    Cut,
    Stall,
    Crawl,
}

/// An answer.
#[derive(Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Bytes of the body that are really sent.
    sent: usize,
    then: Then,
}

impl Reply {
    pub(super) fn new(status: u16) -> Reply {
        Reply { status, headers: Vec::new(), body: Vec::new(), sent: 0, then: Then::GoOn }
    }

    pub(super) fn ok(body: impl AsRef<[u8]>) -> Reply {
        Reply::new(200).body(body)
    }

    pub(super) fn header(mut self, name: &str, value: impl ToString) -> Reply {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(super) fn body(mut self, body: impl AsRef<[u8]>) -> Reply {
        self.body = body.as_ref().to_vec();
        self.sent = self.body.len();
        self
    }

    /// Cuts the connection after `count` bytes of the body.
    pub(super) fn cut(mut self, count: usize) -> Reply {
        (self.sent, self.then) = (count, Then::Cut);
        self
    }

    /// Sends a byte every few milliseconds, of the first `count`; then all is silent.
    pub(super) fn crawl(mut self, count: usize) -> Reply {
        (self.sent, self.then) = (count, Then::Crawl);
        self
    }

    /// Falls silent after `count` bytes of the body.
    pub(super) fn stall(mut self, count: usize) -> Reply {
        (self.sent, self.then) = (count, Then::Stall);
        self
    }
}

type Script = dyn Fn(&Seen, usize) -> Reply + Send + Sync;

/// Listens on this machine. Its threads end with the connections.
pub(super) struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// A server whose `script` is given each request and how many came before it.
    pub(super) fn start(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (script, seen_too): (Arc<Script>, _) = (Arc::new(script), seen.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, seen) = (script.clone(), seen_too.clone());
                std::thread::spawn(move || serve(stream, &*script, &seen));
            }
        });
        Server { address, seen }
    }

    /// A server that gives these answers one after the other, the last one for ever.
    pub(super) fn replies(replies: Vec<Reply>) -> Server {
        Server::start(move |_, count| replies[count.min(replies.len() - 1)].clone())
    }

    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }
}

fn serve(stream: TcpStream, script: &Script, seen: &Mutex<Vec<Seen>>) {
    // A greeting in TLS is not for us.
    let mut first = [0];
    if !matches!(stream.peek(&mut first), Ok(1)) || first[0] == 0x16 {
        return;
    }
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = read_request(&mut reader, &stream) {
        let count = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let reply = script(&request, count);
        if answer(&stream, &request, &reply).is_none() || reply.then != Then::GoOn {
            if reply.then == Then::Stall {
                stream.set_read_timeout(Some(Duration::from_secs(20))).ok();
                (&stream).read_exact(&mut [0]).ok();
            }
            stream.shutdown(std::net::Shutdown::Both).ok();
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>, mut stream: &TcpStream) -> Option<Seen> {
    let mut line = || {
        let mut text = String::new();
        let count = reader.read_line(&mut text).ok()?;
        (count > 0).then(|| text.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let header = line()?;
        let Some((name, value)) = header.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if headers.contains_key("expect") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { method, target, headers, body })
}

fn answer(mut stream: &TcpStream, request: &Seen, reply: &Reply) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} Status\r\n", reply.status);
    let stated = reply.headers.iter().any(|(name, _)| name == "content-length");
    if !stated && reply.status != 204 {
        head += &format!("content-length: {}\r\n", reply.body.len());
    }
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).ok()?;
    if request.method == "HEAD" {
        return Some(());
    }
    let at_once = if reply.then == Then::Crawl { 1 } else { reply.sent.max(1) };
    for bytes in reply.body[..reply.sent].chunks(at_once) {
        stream.write_all(bytes).ok()?;
        if reply.then == Then::Crawl {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Some(())
}
