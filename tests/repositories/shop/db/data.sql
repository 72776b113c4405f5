insert into product values (1, 'tea');
