// Package attack is a suite of attacks on agentd by its own users, their images and their repositories: each one is shown
// to win against a part that leaves the guard out, and then to lose against the product.
package attack
