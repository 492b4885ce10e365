//! Requests in, answers out: as much of HTTP/1.1 as a registry's client speaks.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::State;

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    /// Which of the two ports it came to.
    pub(crate) port: u16,
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(super) fn length(&self) -> usize {
        self.header("content-length").map_or(0, |text| text.parse().unwrap())
    }
}

/// How the body of an answer goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Whole,
    /// Without a length, until the connection ends.
    ToTheEnd,
    Chunked,
    /// The connection is cut after so many bytes.
    Cut(usize),
    /// The connection is cut instead.
    Lost,
    /// A byte now and then.
    Crawl,
    /// Over and over.
    Endless,
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) way: Way,
}

impl Reply {
    pub(super) fn new(status: u16) -> Reply {
        Reply { status, headers: Vec::new(), body: Vec::new(), way: Way::Whole }
    }

    /// An error in the specification's form.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Reply {
        let error = serde_json::json!({"errors": [{"code": code, "message": message}]});
        Reply::new(status).body("application/json", error.to_string().into_bytes())
    }

    pub(super) fn header(mut self, name: &str, value: impl ToString) -> Reply {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(super) fn body(mut self, kind: &str, body: Vec<u8>) -> Reply {
        self.body = body;
        self.header("content-type", kind)
    }

    pub(super) fn way(self, way: Way) -> Reply {
        Reply { way, ..self }
    }
}

/// What is done about a request before its body is read.
pub(super) enum Early {
    Go,
    /// The body is not wanted.
    Refuse(Reply),
    /// Read so many bytes of the body, give them away, and cut the connection.
    Cut(usize),
}

/// Answers the requests of one connection.
pub(super) fn serve(state: &State, stream: TcpStream) -> io::Result<()> {
    // A greeting in TLS: this registry speaks none.
    let mut first = [0];
    if stream.peek(&mut first)? == 0 || first[0] == 0x16 {
        return Ok(());
    }
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(mut seen) = head(&mut reader, stream.local_addr()?.port())? {
        match state.early(&seen) {
            Early::Go => {}
            Early::Refuse(reply) => {
                state.store().seen.push(seen);
                write(&stream, "GET", &reply.header("connection", "close"))?;
                stream.shutdown(Shutdown::Write)?;
                // The rest of the request is taken, or the client would not hear the answer.
                return io::copy(&mut reader, &mut io::sink()).map(drop);
            }
            Early::Cut(count) => {
                expected(&seen, &stream)?;
                seen.body = vec![0; count];
                reader.read_exact(&mut seen.body)?;
                state.cut(&seen);
                state.store().seen.push(seen);
                return stream.shutdown(Shutdown::Both);
            }
        }
        expected(&seen, &stream)?;
        seen.body = vec![0; seen.length()];
        reader.read_exact(&mut seen.body)?;
        state.store().seen.push(Seen { body: Vec::new(), ..seen.clone() });
        let reply = state.answer(&seen);
        if !write(&stream, &seen.method, &reply)? {
            return stream.shutdown(Shutdown::Both);
        }
    }
    Ok(())
}

/// Says that a body may come, to a client that waits for that.
fn expected(seen: &Seen, mut stream: &TcpStream) -> io::Result<()> {
    match seen.header("expect") {
        Some(_) => stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n"),
        None => Ok(()),
    }
}

/// The first line and the headers; `None` when nothing more comes.
fn head(reader: &mut BufReader<TcpStream>, port: u16) -> io::Result<Option<Seen>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut words = lines[0].split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = lines[1..].iter().filter_map(|line| line.split_once(':'));
    let headers =
        pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect();
    Ok(Some(Seen { method, path: path.to_owned(), query, headers, port, body: Vec::new() }))
}

/// Percent-decoded text.
pub(super) fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(part[2..].bytes());
    }
    String::from_utf8(bytes).unwrap()
}

/// Sends an answer; false when the connection is to end.
fn write(mut stream: &TcpStream, method: &str, reply: &Reply) -> io::Result<bool> {
    if reply.way == Way::Lost {
        return Ok(false);
    }
    let mut head = format!("HTTP/1.1 {} Status\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &match reply.way {
        Way::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
        Way::ToTheEnd | Way::Endless => String::new(),
        _ if reply.status == 204 => String::new(),
        _ => format!("content-length: {}\r\n", reply.body.len()),
    };
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if method == "HEAD" {
        return Ok(!matches!(reply.way, Way::ToTheEnd | Way::Endless));
    }
    match reply.way {
        Way::Lost => Ok(false),
        Way::Whole => stream.write_all(&reply.body).map(|()| true),
        Way::ToTheEnd => stream.write_all(&reply.body).map(|()| false),
        Way::Cut(count) => stream.write_all(&reply.body[..count]).map(|()| false),
        Way::Chunked => {
            for part in reply.body.chunks(1000) {
                write!(stream, "{:x}\r\n", part.len())?;
                stream.write_all(part)?;
                stream.write_all(b"\r\n")?;
            }
            stream.write_all(b"0\r\n\r\n").map(|()| true)
        }
        Way::Crawl => {
            for byte in &reply.body {
                stream.write_all(&[*byte])?;
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(true)
        }
        Way::Endless => loop {
            stream.write_all(&reply.body)?;
        },
    }
}
