// SPDX-License-Identifier: GPL-2.0
/*
 * Two nodes with certificates: who gets in, who does not, and what both sides say
 * about it.
 */
#include "tls_pair.h"

/* As security.rst says it is done. */
static const char certificates[] =
	"cd %s && exec >/dev/null 2>&1 && umask 077 &&"
	"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
	" -days 3650 -subj '/CN=vmig CA' -keyout ca.key -out ca.pem &&"
	"for node in a b; do"
	" openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
	"  -subj /CN=$node -keyout $node.key -out $node.csr &&"
	" printf 'subjectAltName = DNS:%%s\\n' $node >ext &&"
	" openssl x509 -req -in $node.csr -CA ca.pem -CAkey ca.key"
	"  -CAcreateserial -days %d -extfile ext -out $node.pem || exit;"
	"done; rm -f ca.srl";

static void certify(struct __test_metadata *_metadata,
		    FIXTURE_DATA(pair) *self, int days)
{
	struct vmig_config *nodes[] = { &self->a, &self->b };
	char command[sizeof(certificates) + 64], name[8];
	unsigned int i;

	snprintf(command, sizeof(command), certificates, self->folder, days);
	ASSERT_EQ(0, system(command));
	for (i = 0; i < 2; i++) {
		nodes[i]->key[0] = '\0';
		set_path(self, nodes[i]->ca, "ca.pem");
		snprintf(name, sizeof(name), "%s.pem", nodes[i]->node);
		set_path(self, nodes[i]->certificate, name);
		snprintf(name, sizeof(name), "%s.key", nodes[i]->node);
		set_path(self, nodes[i]->private_key, name);
	}
}

TEST_F(pair, by_certificate)
{
	certify(_metadata, self, 10);
	OPEN_TLS(&self->a);
	OPEN_TLS(&self->b);
	meet(_metadata, self);
	EXPECT_TRUE(self->greeted) {
		TH_LOG("said: %s", self->why);
	}
	EXPECT_EQ(3, vmig_conn_turns(self->conn));
}

TEST_F(pair, certificate_of_another_node)
{
	certify(_metadata, self, 10);
	OPEN_TLS(&self->a);
	OPEN_TLS(&self->b);
	/* What is at b's address says that it is b. */
	strcpy(self->a.peers[0].name, "c");
	EXPECT_REFUSED(VMIG_REFUSED_CERTIFICATE,
		       "the certificate is of another node");
}

TEST_F(pair, greeting_of_another_node)
{
	certify(_metadata, self, 10);
	OPEN_TLS(&self->a);
	OPEN_TLS(&self->b);
	strcpy(self->b.peers[0].name, "c");
	strcpy(self->a.node, "c");
	EXPECT_REFUSED(VMIG_REFUSED_NODE, "the certificate is not of node c");
}

TEST_F(pair, key_to_certificate)
{
	struct vmig_config by_key = self->a;

	certify(_metadata, self, 10);
	OPEN_TLS(&self->b);
	self->a = by_key;
	OPEN_TLS(&self->a);
	EXPECT_REFUSED(VMIG_REFUSED_CERTIFICATE, "it uses certificates");
}

TEST_F(pair, certificate_to_key)
{
	struct vmig_config by_key = self->b;

	certify(_metadata, self, 10);
	OPEN_TLS(&self->a);
	self->b = by_key;
	OPEN_TLS(&self->b);
	EXPECT_REFUSED(VMIG_REFUSED_KEY, "does it use a cluster key");
}

TEST_F(pair, own_certificate_expired)
{
	certify(_metadata, self, -1);
	EXPECT_EQ(-EKEYEXPIRED, vmig_tls_open(&self->a.tls, &self->a, &err));
	EXPECT_NE(NULL, strstr(err.text, "has expired"));
}

/* b trusts an authority whose time is over. */
TEST_F(pair, expired)
{
	char command[256];

	certify(_metadata, self, 10);
	OPEN_TLS(&self->a);
	snprintf(command, sizeof(command),
		 "cd %s && openssl x509 -in ca.pem -signkey ca.key -days -1 -out ext 2>/dev/null && mv ext ca.pem",
		 self->folder);
	ASSERT_EQ(0, system(command));
	OPEN_TLS(&self->b);
	EXPECT_REFUSED(VMIG_REFUSED_EXPIRED,
		       "says that this node's certificate has expired",
		       "clocks");
}

TEST_F(pair, own_certificate_wrong)
{
	certify(_metadata, self, 10);
	strcpy(self->a.node, "other");
	EXPECT_EQ(-EINVAL, vmig_tls_open(&self->a.tls, &self->a, &err));
	EXPECT_NE(NULL, strstr(err.text, "not the certificate of node other"));
	strcpy(self->a.node, "a");
	set_path(self, self->a.private_key, "b.key");
	EXPECT_EQ(-EINVAL, vmig_tls_open(&self->a.tls, &self->a, &err));
	EXPECT_NE(NULL, strstr(err.text, "is not the private key of"));
	set_path(self, self->a.private_key, "a.key");
	chmod(self->a.private_key, 0644);
	EXPECT_EQ(-EPERM, vmig_tls_open(&self->a.tls, &self->a, &err));
	EXPECT_NE(NULL, strstr(err.text, "chmod 600"));
}

TEST_HARNESS_MAIN
