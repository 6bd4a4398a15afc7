/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Ed25519 key that signs checkpoints: HOME/keys/ed25519.pem (PKCS #8, mode 0600), made on first use, and its public
 * half beside it in ed25519.pub (SubjectPublicKeyInfo), for whoever wants to keep a copy. Both as openssl(1) has them.
 */
#pragma once

#include "store/chain.h"

#define KEY_ID 17 /* hex digits of the first 8 bytes of SHA-256 of the public key, and a NUL */

struct key;
/*
 * Opens the key of a home, and makes it where there is none (two that do so at once end up with one). Fails with a text
 * that says what to do when it can't be read, is damaged, or can be read by others: nothing is recorded unsigned.
 */
int key_open(const char *home, struct key **ret, struct err *err);
void key_free(struct key *k);
DEFINE_CLEANUP(struct key *, key_free);
const uint8_t *key_public(const struct key *k); /* CHAIN_PUBLIC bytes */
int key_sign(struct key *k, struct bytes message, uint8_t ret[CHAIN_SIGNATURE]); /* 0 or -EIO */

/* 1: it is that key's signature of the message; 0: it is not; -ENOMEM. */
int key_verify(const uint8_t public_key[CHAIN_PUBLIC], struct bytes message, const uint8_t signature[CHAIN_SIGNATURE]);
void key_id(const uint8_t public_key[CHAIN_PUBLIC], char ret[KEY_ID]);

/* The public key in a PEM file, which may be the private key's too. */
int key_read_public(const char *path, uint8_t ret[CHAIN_PUBLIC], struct err *err);
/* That of a home; -ENOENT when none was made yet. */
int key_public_of_home(const char *home, uint8_t ret[CHAIN_PUBLIC], struct err *err);
