/* SPDX-License-Identifier: Apache-2.0 */
/* The signing key and its files. See key.h. */
#include "store/key.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/internal.h"

#define PEM_MAX 4096

struct key {
	EVP_PKEY *pair;
	uint8_t public_key[CHAIN_PUBLIC];
};

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free);
DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free);
DEFINE_CLEANUP(BIO *, BIO_free_all);

/* The settings of the machine or of whoever starts us are no business of a process that runs as root. */
static void start_library(void)
{
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
}

/* An encrypted key must fail, not ask on the terminal. */
static int no_passphrase(char *text, int size, int writing, void *context)
{
	return -1;
}

static int file_path(char ret[PATH_MAX], const char *home, const char *name, struct err *err)
{
	int n = snprintf(ret, PATH_MAX, "%s/keys%s", home, name);

	return n < 0 || n >= PATH_MAX ? err_set(err, ENAMETOOLONG, "%s: the path is too long", home) : 0;
}

static int read_all(int fd, char text[PEM_MAX + 1], const char *path, struct err *err)
{
	size_t length = 0;

	for (;;) {
		ssize_t n = read(fd, text + length, PEM_MAX - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "can't read the key %s", path);
		length += (size_t)n;
		if (n == 0)
			break;
		if (length == PEM_MAX)
			return err_set(err, EUCLEAN, "%s is too long to be a key", path);
	}
	text[length] = '\0';
	return (int)length;
}

static int take_public(EVP_PKEY *pair, uint8_t ret[CHAIN_PUBLIC])
{
	size_t length = CHAIN_PUBLIC;

	if (!pair || EVP_PKEY_get_base_id(pair) != EVP_PKEY_ED25519 ||
	    EVP_PKEY_get_raw_public_key(pair, ret, &length) != 1 || length != CHAIN_PUBLIC)
		return -EUCLEAN;
	return 0;
}

static int write_pem(EVP_PKEY *pair, bool private, struct buf *out)
{
	_cleanup_(BIO_free_all_p) BIO *bio = BIO_new(private ? BIO_s_secmem() : BIO_s_mem());
	char *text;

	if (!bio || (private ? PEM_write_bio_PKCS8PrivateKey(bio, pair, NULL, NULL, 0, NULL, NULL)
			     : PEM_write_bio_PUBKEY(bio, pair)) != 1)
		return -EIO;
	long length = BIO_get_mem_data(bio, &text);
	buf_add(out, text, (size_t)length);
	return out->failed;
}

/* Writes a file under a name that nobody looks for, then gives it its own unless that exists. */
static int publish(const char *path, struct bytes text, mode_t mode, struct err *err)
{
	char draft[PATH_MAX + 32];
	int code = 0;

	(void)snprintf(draft, sizeof(draft), "%s.%ld.new", path, (long)getpid());
	(void)unlink(draft);
	_cleanup_close_ int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_errno(err, errno, "can't make the key %s", path);
	ssize_t n = write(fd, text.data, text.length);
	if (n != (ssize_t)text.length || fchmod(fd, mode) < 0 || fsync(fd) < 0)
		code = n >= 0 && n != (ssize_t)text.length ? ENOSPC : errno;
	/* The file is whole when it gets its name, so of two that make one both read the same. */
	else if (link(draft, path) < 0 && errno != EEXIST)
		code = errno;
	(void)unlink(draft);
	return code ? err_errno(err, code, "can't make the key %s", path) : 0;
}

static int make_pair(const char *path, struct err *err)
{
	_cleanup_(EVP_PKEY_free_p) EVP_PKEY *pair = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	_cleanup_buf_ struct buf text = BUF_INIT(PEM_MAX);

	if (!pair || write_pem(pair, true, &text) < 0)
		return err_set(err, EIO, "can't make the key %s: libcrypto has no Ed25519", path);
	int r = publish(path, (struct bytes){ text.data, text.length }, 0600, err);
	OPENSSL_cleanse(text.data, text.length);
	return r;
}

static int make(const char *home, const char *path, struct err *err)
{
	char directory[PATH_MAX];
	int r = file_path(directory, home, "", err);

	if (r < 0)
		return r;
	if (mkdir(directory, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "can't make the directory %s", directory);
	r = make_pair(path, err);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) < 0)
		return err_errno(err, errno, "can't write to %s", directory);
	return 0;
}

static int parse_private(struct key *k, char *text, int length)
{
	_cleanup_(BIO_free_all_p) BIO *bio = BIO_new_mem_buf(text, length);

	if (!bio)
		return -ENOMEM;
	k->pair = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	return take_public(k->pair, k->public_key);
}

static int load(struct key *k, const char *path, struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	char text[PEM_MAX + 1];
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : err_errno(err, errno, "can't read the key %s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, EUCLEAN, "the key %s is not a file; move it away", path);
	if (st.st_mode & 077)
		return err_set(err, EPERM,
			       "the key %s can be read by others; 'chmod 600' it, or move it away if "
			       "somebody may have a copy",
			       path);
	int length = read_all(fd, text, path, err);
	if (length < 0)
		return length;
	int r = parse_private(k, text, length);
	OPENSSL_cleanse(text, sizeof(text));
	if (r < 0)
		return err_set(err, EUCLEAN,
			       "the key %s is damaged; restore it, or move it away and the next run "
			       "makes a new one",
			       path);
	return 0;
}

/* The public half is for people to copy; a run does not depend on it. */
static void save_public(const char *home, EVP_PKEY *pair)
{
	_cleanup_buf_ struct buf text = BUF_INIT(PEM_MAX);
	char path[PATH_MAX];

	if (file_path(path, home, "/ed25519.pub", NULL) < 0 || access(path, F_OK) == 0 ||
	    write_pem(pair, false, &text) < 0)
		return;
	(void)publish(path, (struct bytes){ text.data, text.length }, 0644, NULL);
}

int key_open(const char *home, struct key **ret, struct err *err)
{
	_cleanup_(key_free_p) struct key *k = calloc(1, sizeof(*k));
	char path[PATH_MAX];

	if (!k)
		return err_set(err, ENOMEM, "out of memory");
	int r = file_path(path, home, "/ed25519.pem", err);
	if (r < 0)
		return r;
	start_library();
	r = load(k, path, err);
	if (r == -ENOENT) {
		r = make(home, path, err);
		if (r >= 0)
			r = load(k, path, err);
		if (r == -ENOENT)
			r = err_set(err, ENOENT, "the key %s was removed while it was made", path);
	}
	if (r < 0)
		return r;
	save_public(home, k->pair);
	*ret = TAKE_PTR(k);
	return 0;
}

void key_free(struct key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pair);
	free(k);
}

const uint8_t *key_public(const struct key *k)
{
	return k->public_key;
}

int key_sign(struct key *k, struct bytes message, uint8_t ret[CHAIN_SIGNATURE])
{
	_cleanup_(EVP_MD_CTX_free_p) EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t length = CHAIN_SIGNATURE;

	if (!context || EVP_DigestSignInit(context, NULL, NULL, NULL, k->pair) != 1 ||
	    EVP_DigestSign(context, ret, &length, (const uint8_t *)message.data, message.length) != 1 ||
	    length != CHAIN_SIGNATURE)
		return -EIO;
	return 0;
}

int key_verify(const uint8_t public_key[CHAIN_PUBLIC], struct bytes message, const uint8_t signature[CHAIN_SIGNATURE])
{
	start_library();
	_cleanup_(EVP_PKEY_free_p) EVP_PKEY *key =
	    EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, CHAIN_PUBLIC);
	_cleanup_(EVP_MD_CTX_free_p) EVP_MD_CTX *context = EVP_MD_CTX_new();

	if (!key || !context)
		return -ENOMEM;
	return EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
	       EVP_DigestVerify(context, signature, CHAIN_SIGNATURE, (const uint8_t *)message.data, message.length) ==
		   1;
}

void key_id(const uint8_t public_key[CHAIN_PUBLIC], char ret[KEY_ID])
{
	uint8_t hash[EVP_MAX_MD_SIZE] = { 0 };

	start_library();
	(void)EVP_Digest(public_key, CHAIN_PUBLIC, hash, NULL, EVP_sha256(), NULL);
	for (unsigned i = 0; i < (KEY_ID - 1) / 2; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", hash[i]);
}

int key_read_public(const char *path, uint8_t ret[CHAIN_PUBLIC], struct err *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char text[PEM_MAX + 1];

	if (fd < 0)
		return err_errno(err, errno, "can't read the key %s", path);
	int length = read_all(fd, text, path, err);
	if (length < 0)
		return length;
	start_library();
	_cleanup_(BIO_free_all_p) BIO *bio = BIO_new_mem_buf(text, length);
	_cleanup_(EVP_PKEY_free_p) EVP_PKEY *key = NULL;

	if (bio && strstr(text, "PRIVATE KEY"))
		key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	else if (bio)
		key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
	OPENSSL_cleanse(text, sizeof(text));
	if (take_public(key, ret) < 0)
		return err_set(err, EUCLEAN, "%s is no Ed25519 key in PEM form", path);
	return 0;
}

int key_public_of_home(const char *home, uint8_t ret[CHAIN_PUBLIC], struct err *err)
{
	char path[PATH_MAX];
	int r = file_path(path, home, "/ed25519.pem", err);

	if (r < 0)
		return r;
	if (access(path, F_OK) == 0 && access(path, R_OK) == 0)
		return key_read_public(path, ret, err);
	/* Whoever may read the sessions but not the key has its public half. */
	r = file_path(path, home, "/ed25519.pub", err);
	return r < 0 ? r : key_read_public(path, ret, err);
}
