/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest program: what the workload execs, so that the loader's own opens stay out of the count. Static. */
int main(void)
{
	return 0;
}
