//! Digests.

use md5::Md5;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::TEXT;
use crate::pgsem::codec::hex;
use crate::pgsem::func::{FuncDef, SqlForm};
use crate::pgsem::kernel::{Bytes, Text};
use crate::pgsem::registry::Signature;
use crate::pgtype::oid;

pub fn signatures() -> Vec<Signature> {
    const BYTEA: u32 = oid::BYTEA;
    vec![
        Signature::func("md5", &[TEXT], TEXT, &MD5_TEXT),
        Signature::func("md5", &[BYTEA], TEXT, &MD5_BYTEA),
        Signature::func("sha224", &[BYTEA], BYTEA, &SHA224),
        Signature::func("sha256", &[BYTEA], BYTEA, &SHA256),
        Signature::func("sha384", &[BYTEA], BYTEA, &SHA384),
        Signature::func("sha512", &[BYTEA], BYTEA, &SHA512),
    ]
}

static MD5_TEXT: FuncDef =
    FuncDef::new("md5_text", SqlForm::Call("md5"), |c| c.map1::<Text, Text>(|s| Ok(hex(&Md5::digest(s)))));
static MD5_BYTEA: FuncDef =
    FuncDef::new("md5_bytea", SqlForm::Call("md5"), |c| c.map1::<Bytes, Text>(|s| Ok(hex(&Md5::digest(s)))));
static SHA224: FuncDef =
    FuncDef::new("sha224", SqlForm::Call("sha224"), |c| c.map1::<Bytes, Bytes>(|s| Ok(Sha224::digest(s).to_vec())));
static SHA256: FuncDef =
    FuncDef::new("sha256", SqlForm::Call("sha256"), |c| c.map1::<Bytes, Bytes>(|s| Ok(Sha256::digest(s).to_vec())));
static SHA384: FuncDef =
    FuncDef::new("sha384", SqlForm::Call("sha384"), |c| c.map1::<Bytes, Bytes>(|s| Ok(Sha384::digest(s).to_vec())));
static SHA512: FuncDef =
    FuncDef::new("sha512", SqlForm::Call("sha512"), |c| c.map1::<Bytes, Bytes>(|s| Ok(Sha512::digest(s).to_vec())));
