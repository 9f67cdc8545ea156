"""What `terraform validate` would say, without the provider, and the rules that no validator knows."""
