use super::bytes::*;
use super::tokens::Tokens;
pub type Pos = u16;
const REACH: usize = 32_768;
const BIAS: usize = REACH + 1;

pub struct Piece<'a> { pub data: &'a [u8], pub base: usize, pub start: usize }

pub struct Five { short: Box<[Pos; 1 << 15]>, long: Box<[[Pos; 2]; 1 << 15]> }

#[inline(always)]
fn pos(s: usize) -> Pos { s.wrapping_add(BIAS) as Pos }
#[inline(always)]
fn back(s: usize, e: Pos) -> usize { pos(s).wrapping_sub(e) as usize }
#[inline(always)]
fn good(data: &[u8], s: usize, d: usize, cv: u32) -> bool {
    let near = d < REACH;
    near & (half(data, if near { s - d } else { s }) == cv)
}

impl Five {
    pub fn new() -> Five {
        Five { short: vec![0; 1 << 15].try_into().unwrap(), long: vec![[0; 2]; 1 << 15].try_into().unwrap() }
    }
    pub fn reset(&mut self) { self.short.fill(0); self.long.fill([0;2]); }
    #[inline(always)]
    fn put_long(&mut self, h: usize, at: usize) {
        let e = &mut self.long[h];
        *e = [pos(at), e[0]];
    }

    pub fn find(&mut self, piece: &Piece, out: &mut Tokens) {
        let data = piece.data;
        let end = data.len();
        if end - piece.start < 13 { out.literal_run(data, piece.start, end); return }
        let limit = end - 11;
        let mut sent = piece.start;
        let mut next = piece.start;
        let mut cv = word(data, next);
        'all: loop {
            let (mut hs, mut hl) = (hash4::<15>(cv), hash7::<15>(cv));
            let (mut s, mut t, mut l) ;
            loop {
                s = next;
                next = s + 1 + ((s - sent) >> 6);
                if next > limit { break 'all }
                let short = self.short[hs];
                let long = self.long[hl];
                let nv = word(data, next);
                self.short[hs] = pos(s);
                self.long[hl] = [pos(s), long[0]];
                hs = hash4::<15>(nv);
                hl = hash7::<15>(nv);
                let (d0, d1, d2) = (back(s, long[0]), back(s, long[1]), back(s, short));
                let g0 = good(data, s, d0, cv as u32);
                let g1 = (d0 < REACH) & good(data, s, d1, cv as u32);
                let g2 = good(data, s, d2, cv as u32);
                if !(g0 | g1 | g2) { cv = nv; continue }
                let ahead = self.long[hl];
                self.short[hs] = pos(next);
                self.put_long(hl, next);
                if g0 | g1 {
                    t = s - if g0 { d0 } else { d1 };
                    l = 0;
                    if g0 & g1 {
                        l = 4 + run_within(data, s + 4, t + 4, 254);
                        let l1 = 4 + run_within(data, s + 4, s - d1 + 4, 254);
                        if l1 > l { l = l1; t = s - d1 }
                    }
                    break;
                }
                t = s - d2;
                l = 4 + run_within(data, s + 4, t + 4, 254);
                let d = back(next, ahead[0]);
                if d < REACH {
                    let mut d = d;
                    if half(data, next - d) == nv as u32 {
                        let m = 4 + run_within(data, next + 4, next - d + 4, 254);
                        if m > l { l = m; s = next; t = next - d; break }
                    }
                    d = back(next, ahead[1]);
                    if d < REACH && half(data, next - d) == nv as u32 {
                        let m = 4 + run_within(data, next + 4, next - d + 4, 254);
                        if m > l { l = m; s = next; t = next - d; break }
                    }
                }
                break;
            }
            if l == 0 { l = 4 + run(data, s + 4, t + 4) }
            else if l == 258 { l += run(data, s + l, t + l) }
            if l < 30 && s + l < limit {
                let e = self.long[hash7::<15>(word(data, s + l))][0];
                let d = back(s + l, e);
                let s2 = s + 2;
                if d > 0 && d < REACH && s2 >= piece.base + d {
                    let m = run(data, s2, s2 - d);
                    if m > l { l = m; s = s2; t = s2 - d }
                }
            }
            while t > piece.base && s > sent && data[s - 1] == data[t - 1] { s -= 1; t -= 1; l += 1 }
            out.push(data, sent, s, l, s - t);
            s += l;
            sent = s;
            if next >= s { s = next + 1 }
            if s >= limit { break }
            let mut i = s - l + 1;
            if i < s - 1 {
                let w = word(data, i);
                self.short[hash4::<15>(w)] = pos(i);
                self.put_long(hash7::<15>(w), i);
                self.put_long(hash7::<15>(w >> 8), i + 1);
                self.short[hash4::<15>(w >> 16)] = pos(i + 2);
                i += 4;
                while i < s - 1 {
                    let w = word(data, i);
                    self.put_long(hash7::<15>(w), i);
                    self.short[hash4::<15>(w >> 8)] = pos(i + 1);
                    i += 3;
                }
            }
            let w = word(data, s - 1);
            self.short[hash4::<15>(w)] = pos(s - 1);
            self.put_long(hash7::<15>(w), s - 1);
            cv = w >> 8;
            next = s;
        }
        out.literal_run(data, sent, end);
    }
}
