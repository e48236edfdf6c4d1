/* SPDX-License-Identifier: Apache-2.0 */
#include "http/tls.h"

#include "base/log.h"
#include "base/mem.h"

#include <dlfcn.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

/* clang-format off */
#define TLS_FUNCTIONS(X) \
    X(TLS_server_method) X(SSL_CTX_new) X(SSL_CTX_free) X(SSL_CTX_ctrl) X(SSL_CTX_set_options) \
    X(SSL_CTX_use_certificate_chain_file) X(SSL_CTX_use_PrivateKey_file) X(SSL_CTX_check_private_key) \
    X(SSL_new) X(SSL_free) X(SSL_set_fd) X(SSL_set_accept_state) X(SSL_do_handshake) X(SSL_read) X(SSL_write) \
    X(SSL_shutdown) X(SSL_get_error) X(ERR_get_error) X(ERR_error_string_n) X(ERR_clear_error)
/* clang-format on */

static struct {
#define X(name) __typeof__(name) *name;
    TLS_FUNCTIONS(X)
#undef X
} library;
static bool loaded;
static pthread_once_t once = PTHREAD_ONCE_INIT;

struct tls {
    SSL_CTX *context;
};

/* The library's SSL, under our name. */
static SSL *ssl_of(struct tls_session *session)
{
    return (SSL *)(void *)session;
}

static bool find_function(void *handle, const char *name, void *place)
{
    void *symbol = dlsym(handle, name);
    memcpy(place, &symbol, sizeof symbol); /* from an object pointer to a function pointer, as POSIX intends */
    return symbol != NULL;
}

static void load(void)
{
    void *handle = dlopen("libssl.so.3", RTLD_NOW | RTLD_LOCAL);
    loaded = handle != NULL;
#define X(name) loaded = loaded && find_function(handle, #name, &library.name);
    TLS_FUNCTIONS(X)
#undef X
}

/* What the library says, in its words. */
static enum err_code refuse(struct err *err, const char *param, const char *file)
{
    char text[160] = "";
    unsigned long code = library.ERR_get_error();
    library.ERR_error_string_n(code, text, sizeof text);
    library.ERR_clear_error();
    return err_param(err, param, "%s: %s cannot be used: %s", param, file, text);
}

static enum err_code load_files(SSL_CTX *context, const char *cert_file, const char *key_file, struct err *err)
{
    if (library.SSL_CTX_use_certificate_chain_file(context, cert_file) != 1)
        return refuse(err, "tls_cert", cert_file);
    if (library.SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1)
        return refuse(err, "tls_key", key_file);
    if (library.SSL_CTX_check_private_key(context) != 1)
        return err_param(err, "tls_key", "tls_key: %s does not belong to the certificate %s", key_file, cert_file);
    return OK;
}

enum err_code tls_new(const char *cert_file, const char *key_file, struct tls **ret, struct err *err)
{
    (void)pthread_once(&once, load);
    if (!loaded)
        return err_set(err, ERR_UNAVAILABLE, NULL, "tls_cert: OpenSSL 3 (package libssl3) is not installed");
    SSL_CTX *context = library.SSL_CTX_new(library.TLS_server_method());
    if (!context)
        return err_set(err, ERR_UNAVAILABLE, NULL, "tls_cert: OpenSSL cannot start");
    (void)library.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, NULL);
    (void)library.SSL_CTX_ctrl(context, SSL_CTRL_MODE, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, NULL);
    (void)library.SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_COMPRESSION);
    enum err_code code = load_files(context, cert_file, key_file, err);
    if (code != OK) {
        library.SSL_CTX_free(context);
        return code;
    }
    *ret = xmalloc(sizeof **ret);
    (*ret)->context = context;
    return OK;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    library.SSL_CTX_free(tls->context);
    free(tls);
}

struct tls_session *tls_accept(struct tls *tls, int fd)
{
    SSL *ssl = library.SSL_new(tls->context);
    if (!ssl)
        return NULL;
    if (library.SSL_set_fd(ssl, fd) != 1) {
        library.SSL_free(ssl);
        return NULL;
    }
    library.SSL_set_accept_state(ssl);
    return (struct tls_session *)(void *)ssl;
}

static bool is_blocked(SSL *ssl, int result)
{
    int error = library.SSL_get_error(ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

int tls_handshake(struct tls_session *session)
{
    library.ERR_clear_error();
    int result = library.SSL_do_handshake(ssl_of(session));
    if (result == 1)
        return 1;
    if (is_blocked(ssl_of(session), result))
        return 0;
    char text[160] = "";
    library.ERR_error_string_n(library.ERR_get_error(), text, sizeof text);
    log_debug("http", "TLS handshake: %s", text);
    return -1;
}

static ssize_t result_of(struct tls_session *session, int result)
{
    if (result > 0)
        return result;
    errno = is_blocked(ssl_of(session), result) ? EAGAIN : EIO;
    return library.SSL_get_error(ssl_of(session), result) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static int at_most(size_t n)
{
    return n < INT32_MAX ? (int)n : INT32_MAX;
}

ssize_t tls_read(struct tls_session *session, void *out, size_t n)
{
    library.ERR_clear_error();
    return result_of(session, library.SSL_read(ssl_of(session), out, at_most(n)));
}

ssize_t tls_write(struct tls_session *session, const void *bytes, size_t n)
{
    library.ERR_clear_error();
    return result_of(session, library.SSL_write(ssl_of(session), bytes, at_most(n)));
}

void tls_close(struct tls_session *session)
{
    library.ERR_clear_error();
    (void)library.SSL_shutdown(ssl_of(session)); /* one way; the client's goodbye is not waited for */
    library.SSL_free(ssl_of(session));
}
