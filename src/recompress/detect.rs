//! stub
use super::name::Encoding;use super::Gzip;
pub fn detect(sample:&[u8],whole:bool)->Vec<Encoding>{
 let mut plain=Vec::new(); let Ok(mut g)=Gzip::new(sample) else{return vec![]}; let h=g.header().raw().len(); while let Ok(Some(p))=g.next(){plain.extend_from_slice(p);}
 let mut v:Vec<Encoding>=Vec::new();
 for l in [6u8,1,9,5,4,7,8,2,3]{for n in ["go-flate-1:L","pgzip-1:1048576:klauspost-1:L","pgzip-1:1048576:klauspost-2:L","zlib-1:L","gnugzip-1:L","pigz-1:L:131072","pgzip-1:262144:klauspost-1:L"]{v.push(n.replace('L',&l.to_string()).parse().unwrap());}}
 v.into_iter().filter(|e|{let mut o=Vec::new();let mut x=e.encoder();for p in plain.chunks(65536){x.write(p,&mut o);let n=o.len().min(sample.len()-h);if o[..n]!=sample[h..h+n]{return false}}if whole{x.finish(&mut o)};let n=o.len().min(sample.len()-h);(n>0||!whole)&&o[..n]==sample[h..h+n]}).take(2).collect()
}
